"""One arm of QuEST's bed: trained, judged, its gradients compared, exported."""

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tasks.beds import Report
from tasks.beds.quest.language import (
    SYMBOLS,
    Arm,
    Settings,
    Text,
    build,
    held_out,
    judged,
    loss_of,
    nats,
    train,
    trivial,
)
from tasks.nets.graph import Graph
from tasks.nets.language import CharacterModel
from tasks.nets.quest import Quest
from tasks.nets.quest_packed import packed

if TYPE_CHECKING:
    import onnx

FILES = 32  # windows a file is compared with torch on
PARTS = 4  # batches a gradient is a sum over, where gradients are compared
LOST = 2 * math.log(len(SYMBOLS))  # a loss that is larger, or none, counts as this


def measure(
    arm: Arm, compared: Sequence[Arm], given: Settings, text: Text, report: Report
) -> dict[str, Any]:
    """Train an arm and measure it.

    Args:
        arm: Which.
        compared: Whose gradients are compared with this arm's network, if it is float.
        given: What all arms share.
        text: To learn, and to judge by.
        report: Told the share of the training that is done.

    Returns:
        See ``tasks/beds/quest/__init__.py``. A loss that is larger than ``LOST``, or is
        none, counts as ``LOST``.
    """
    network = train(arm, text, given, report)
    windows = held_out(text, given)
    halves = torch.stack([judged(network, windows[k::2]) for k in range(2)])
    halves = halves.nan_to_num(LOST).clamp(max=LOST)
    measured: dict[str, Any] = {
        "loss": halves.mean(0).tolist(),
        "halves": halves.tolist(),
    }
    if arm.name == "float":
        measured["trivial"] = trivial(text)
        parts = torch.split(windows[: PARTS * given.batch], given.batch)
        measured["alignment"] = {
            str(other): alignment(network, build(other, given), parts).tolist()
            for other in compared
        }
    if arm.name in ("float", "quest"):
        measured |= exported(network, windows[:FILES])
    return measured


def alignment(
    network: CharacterModel, other: CharacterModel, parts: Sequence[Tensor]
) -> Tensor:
    """Cosine between gradients with and without rounding, of the same weights.

    Args:
        network: Float, trained.
        other: Of the layers to compare; gets the network's numbers.
        parts: (N, T + 1) each; the gradient is that of all.

    Returns:
        Mean over the layers between embedding and head, (S,).
    """
    other.load_state_dict(network.state_dict(), strict=False)
    gradients = []
    for model in (network, other):
        weights = [layer.weight for layer in model.between().values()]
        stack = model.stack
        losses = [loss_of(model, part.expand(stack, -1, -1)).sum() for part in parts]
        gradients.append(torch.autograd.grad(torch.stack(losses).sum(), weights))
    cosines = [
        torch.cosine_similarity(a.flatten(1), b.flatten(1))
        for a, b in zip(*gradients, strict=True)
    ]
    return torch.stack(cosines).mean(0)


def exported(network: CharacterModel, windows: Tensor) -> dict[str, Any]:
    """Bytes of the first seed's file, and its loss beside torch's on (N, T + 1)."""
    import onnxruntime  # here, as it starts threads, which a fork would lose

    small = as_packed(network)
    data = model_of(small, 0).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    tokens, wanted = windows[:, :-1], windows[None, :, 1:]
    logits = torch.from_numpy(session.run(None, {"tokens": tokens.numpy()})[0])
    with torch.no_grad():
        ours = small.exact(tokens.expand(small.stack, -1, -1))[:1]
    return {
        "bytes": len(data),
        "onnx": float(nats(logits[None], wanted)),
        "torch": float(nats(ours, wanted)),
    }


def as_packed(network: CharacterModel) -> CharacterModel:
    """The network with its trained layers of few bits as they are stored."""
    small = copy.deepcopy(network).requires_grad_(requires_grad=False)
    for name, layer in small.between().items():
        if isinstance(layer, Quest):
            small.set_submodule(name, packed(layer))
    return small


def model_of(network: CharacterModel, k: int) -> "onnx.ModelProto":
    """The ONNX model of slice ``k``: tokens (batch, T) -> logits (batch, T, V)."""
    import onnx
    from onnx import TensorProto, helper

    from tasks.artifacts.onnx_policy import IR, OPSET

    graph = Graph()
    network.emit(graph, k)
    size: list[str | int | None] = ["batch", network.context]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, size)
    logits = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, [*size, network.symbols]
    )
    body = helper.make_graph(
        graph.nodes, "language", [tokens], [logits], initializer=graph.initialisers
    )
    model: onnx.ModelProto = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="offcut"
    )
    model.ir_version = IR
    onnx.checker.check_model(model, full_check=True)
    return model
