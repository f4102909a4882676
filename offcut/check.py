"""What a graph may hold before it is run: plain arithmetic, all inside the file.

Refused are operators outside the list below, those of other domains or defined in the
file, nested graphs (loops, branches), anything random, data outside the file and
numbers that are not finite. Sizes of inner values are not computed: set a limit, e.g.
``ulimit -v``, for files of strangers.
"""

from pathlib import Path

import numpy as np

from offcut.errors import RefusedError
from offcut.graph import DOUBLE, FLOAT, FLOAT16, RAW, Model, Node, Tensor

MEND = "export the policy again as plain standard operators in one file"
OPSET, IR = 26, 13  # the newest that onnxruntime 1.31 runs
NAMES = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization BitShift BitwiseAnd
    BitwiseNot BitwiseOr BitwiseXor Cast Ceil Celu Clip Concat Constant Conv ConvInteger
    Cos DequantizeLinear Div DynamicQuantizeLinear Elu Equal Erf Exp Expand Flatten
    Floor Gather GatherElements Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity
    InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    MatMul MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg Not Or PRelu Pad Pow
    QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Reciprocal ReduceL1
    ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Round Selu Shape Sigmoid Sign Sin Slice Softmax Softplus Softsign Split Sqrt
    Squeeze Sub Sum Swish Tanh ThresholdedRelu Transpose Unsqueeze Where Xor
    """
OPERATORS = frozenset(NAMES.split())
HALF_KINDS = frozenset({21, 22})  # UINT4, INT4


def check_graph(path: Path, model: Model) -> None:
    """Refuse a graph that could draw, loop or read elsewhere.

    Args:
        path: The file, for errors.
        model: Its content.

    Raises:
        RefusedError: Names the node or constant.
    """
    if model.opset > OPSET or model.ir > IR:
        versions = f"{model.opset} / {model.ir}"
        expected = f"at most {OPSET} / {IR}"
        raise RefusedError(path, "opset / IR", versions, expected, MEND)
    if model.forbidden:
        raise RefusedError(path, "content", model.forbidden[0], "none", MEND)
    for node in model.nodes:
        _check_node(path, node)
    for tensor in model.tensors.values():
        _check_tensor(path, f"initialiser {tensor.name}", tensor)


def _check_node(path: Path, node: Node) -> None:
    """Refuse another operator than :data:`OPERATORS`, or one with a nested graph."""
    where = f"node {node.name or node.op}"
    standard = node.domain in ("", "ai.onnx")
    if not standard or node.op not in OPERATORS:
        name = node.op if standard else f"{node.domain}.{node.op}"
        expected = (
            "standard operators that draw nothing, repeat nothing and branch nowhere"
        )
        raise RefusedError(path, where, f"the operator {name}", expected, MEND)
    for attribute in node.attributes.values():
        if attribute.nested:
            found = f"the attribute {attribute.name} with a graph or type"
            raise RefusedError(path, where, found, "numbers, text and tensors", MEND)
        for tensor in attribute.tensors():
            _check_tensor(path, f"{where}, {attribute.name}", tensor)
        numbers = attribute.message.floats(2) + attribute.message.floats(7)
        if not np.isfinite(numbers).all():
            _refuse_infinite(path, f"{where}, {attribute.name}")


def _check_tensor(path: Path, where: str, tensor: Tensor) -> None:
    """Refuse a tensor that lies elsewhere, does not fill its shape or is not finite."""
    if tensor.external is not None:
        found = f"external data in {tensor.external}"
        raise RefusedError(path, where, found, "all data inside the file", MEND)
    if tensor.kind not in RAW.keys() | HALF_KINDS:
        found = f"ONNX type {tensor.kind}"
        raise RefusedError(path, f"{where}, type", found, "real numbers", MEND)
    if not tensor.fills:
        found = f"shape {list(tensor.dims)} in {tensor.message.size} bytes"
        raise RefusedError(path, where, found, "a shape that its data fills", MEND)
    if tensor.kind not in (FLOAT, FLOAT16, DOUBLE):
        return
    try:
        values = tensor.array()
    except ValueError as error:
        raise RefusedError(path, where, error, "numbers", MEND) from None
    if not np.isfinite(values).all():
        _refuse_infinite(path, where)


def _refuse_infinite(path: Path, where: str) -> None:
    """Refuse a file of a training that diverged, say."""
    found = "a number that is not finite"
    raise RefusedError(path, where, found, "finite numbers", "train the policy again")
