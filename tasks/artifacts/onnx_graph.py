"""What an ONNX graph may hold: plain arithmetic whose sizes are known beforehand.

A file from elsewhere must say everything by itself: nothing random, no loop, no branch,
no operator defined in the file or by a library, no data outside it. Its sizes are
computed before it is run, so that a small file cannot ask for all memory.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper, shape_inference

from tasks.artifacts.errors import RefusedError

MEND = "export the policy again as plain standard operators in one file"
BATCH = 256  # rows with which sizes are computed, beside a single one
ROW_NUMBERS = 2**23  # of all values, for one row of a batch
FIXED_NUMBERS = 2**27  # of all values that are the same for any batch
# operators that the layers emit, and others that draw nothing, repeat nothing and give
# values whose sizes follow from those of their inputs
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
# attributes that hold a graph of their own, or values that are no numbers in a block
NESTED = (
    AttributeProto.GRAPH,
    AttributeProto.GRAPHS,
    AttributeProto.SPARSE_TENSOR,
    AttributeProto.SPARSE_TENSORS,
    AttributeProto.TYPE_PROTO,
    AttributeProto.TYPE_PROTOS,
)
# element types that are no real numbers
UNREAL = (TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)
WHOLE = ("BOOL", "INT", "UINT")  # how the names of types without NaN begin


def check_graph(path: Path, model: onnx.ModelProto) -> None:
    """Refuse a graph that could draw, loop, read elsewhere or fill the memory.

    Args:
        path: The file, for errors.
        model: Its content. The shapes stated of its inner values are forgotten, and
            its inputs get a fixed batch.

    Raises:
        RefusedError: If the file defines operators, holds one that is not in
            :data:`OPERATORS`, a nested graph, training steps, sparse tensors, data
            outside the file, numbers that are not finite or other data than a
            tensor's shape says, or if sizes are unknown beforehand, beyond
            :data:`ROW_NUMBERS` or :data:`FIXED_NUMBERS`, or grow faster than the batch.
    """
    for field, kind, values in (
        ("functions", "an operator defined in the file", model.functions),
        ("training_info", "steps of a training", model.training_info),
        ("sparse_initializer", "a sparse tensor", model.graph.sparse_initializer),
    ):
        if values:
            name = getattr(values[0], "name", "")
            raise RefusedError(path, field, f"{kind} {name}", "none", MEND)
    for name in _names(model):
        if not isinstance(name, str):
            raise RefusedError(path, "names", name, "text in UTF-8", MEND)
    for node in model.graph.node:
        _check_node(path, node)
    for tensor in model.graph.initializer:
        _check_tensor(path, f"initialiser {tensor.name}", tensor)
    _check_sizes(path, model)


def _names(model: onnx.ModelProto) -> Iterator[object]:
    """Every name in a graph; protobuf gives bytes where one is no text."""
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, node.doc_string)
        yield from (*node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (value.name for value in (*graph.input, *graph.output))
    yield from (entry.domain for entry in model.opset_import)
    yield from (graph.name, graph.doc_string, model.doc_string, model.domain)
    yield from (model.producer_name, model.producer_version)


def _check_node(path: Path, node: onnx.NodeProto) -> None:
    """Refuse another operator than :data:`OPERATORS`, or one with a nested graph."""
    where = f"node {node.name or node.op_type}"
    standard = node.domain in ("", "ai.onnx")
    if not standard or node.op_type not in OPERATORS:
        name = node.op_type if standard else f"{node.domain}.{node.op_type}"
        raise RefusedError(
            path,
            where,
            f"the operator {name}",
            "standard operators that draw nothing, repeat nothing and branch nowhere",
            MEND,
        )
    for attribute in node.attribute:
        if attribute.type in NESTED or attribute.HasField("g") or attribute.graphs:
            kind = AttributeProto.AttributeType.Name(attribute.type)
            found = f"the attribute {attribute.name} of type {kind}"
            raise RefusedError(path, where, found, "numbers, text and tensors", MEND)
        tensors = [
            *attribute.tensors,
            *([attribute.t] if attribute.HasField("t") else []),
        ]
        for tensor in tensors:
            _check_tensor(path, f"{where}, {attribute.name}", tensor)
        if not np.isfinite([attribute.f, *attribute.floats]).all():
            _refuse_infinite(path, f"{where}, {attribute.name}")


def _check_tensor(path: Path, where: str, tensor: TensorProto) -> None:
    """Refuse a tensor that lies elsewhere, does not fill its shape or is not finite."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        place = {e.key: e.value for e in tensor.external_data}.get("location")
        found = f"external data in {place}"
        raise RefusedError(path, where, found, "all data inside the file", MEND)
    if tensor.data_type in UNREAL:
        found = TensorProto.DataType.Name(tensor.data_type)
        raise RefusedError(path, f"{where}, type", found, "real numbers", MEND)
    numbers = math.prod(tensor.dims)
    # the smallest types put four numbers into a byte
    if any(size < 0 for size in tensor.dims) or numbers > 4 * tensor.ByteSize():
        found = f"shape {list(tensor.dims)} in {tensor.ByteSize()} bytes"
        raise RefusedError(path, where, found, "a shape that its data fills", MEND)
    if TensorProto.DataType.Name(tensor.data_type).startswith(WHOLE):
        return
    try:
        with np.errstate(invalid="ignore"):  # said when a NaN of 32 bits is widened
            values = numpy_helper.to_array(tensor).astype(np.float64)
    except (TypeError, ValueError) as error:  # of no type, or of other data than stated
        raise RefusedError(path, where, error, "numbers", MEND) from None
    if not np.isfinite(values).all():
        _refuse_infinite(path, where)


def _refuse_infinite(path: Path, where: str) -> None:
    """Refuse a file of a training that diverged, say."""
    found = "a number that is not finite"
    mend = "train and export the policy again, e.g. with a lower learning rate"
    raise RefusedError(path, where, found, "finite numbers", mend)


def _check_sizes(path: Path, model: onnx.ModelProto) -> None:
    """Refuse values whose sizes are unknown before the graph runs, or far too large."""
    one, many = _sizes(path, model, 1), _sizes(path, model, BATCH)
    fixed = sum(size for name, size in one.items() if many[name] == size)
    row = sum(one.values()) - fixed
    for count, limit, kind in (
        (fixed, FIXED_NUMBERS, "the same for any batch"),
        (row, ROW_NUMBERS, "of one row"),
    ):
        if count > limit:
            numbers = f"values of {count:.3g} numbers {kind}"
            raise RefusedError(path, "graph", numbers, f"at most {limit}", MEND)
    for name in one:
        if many[name] > BATCH * one[name]:
            found = f"a value {name} that grows faster than the batch"
            raise RefusedError(path, "graph", found, "sizes in proportion", MEND)


def _sizes(path: Path, model: onnx.ModelProto, batch: int) -> dict[str, int]:
    """Numbers in every value that a node gives, for a batch of so many rows."""
    del model.graph.value_info[:]
    for value in model.graph.input:
        if dims := value.type.tensor_type.shape.dim:
            dims[0].dim_value = batch
    try:
        graph = shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        ).graph
    except Exception as error:  # of several kinds
        raise RefusedError(path, "graph", error, "values that fit", MEND) from error
    types = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.output)}
    sizes = {}
    for node in model.graph.node:
        for name in filter(None, node.output):
            kind = types.get(name)
            dims = kind.shape.dim if kind is not None else []
            if kind is None or not kind.HasField("shape") or kind.elem_type in UNREAL:
                known = False
            else:
                known = all(dim.HasField("dim_value") for dim in dims)
            if not known:
                raise RefusedError(
                    path,
                    f"node {node.name or node.op_type}",
                    f"a value {name} of unknown size",
                    "numbers whose shape follows from those of the inputs",
                    MEND,
                )
            sizes[name] = math.prod(dim.dim_value for dim in dims)
    return sizes
