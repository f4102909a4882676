"""The arms of QuEST's test bed: trained once, measured, exported, kept.

An arm that was trained is kept under ``.offcut/claims``, by a hash of all it depends
on, so that a run that was killed goes on with the next one.
"""

import copy
import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
import torch
from torch import Tensor

from tasks.artifacts.files import canonical, read_json, sha256, write_json
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
    read_text,
    train,
)
from tasks.nets.graph import Graph
from tasks.nets.language import CharacterModel
from tasks.nets.quest import Quest
from tasks.nets.quest_packed import packed

if TYPE_CHECKING:
    import onnx

KEPT = Path(".offcut/claims/quest")
ROOM = Path(__file__).parents[2]
# what an arm's numbers depend on, beside text, settings and torch
CODE = (
    *("claims/_quest/arms.py", "claims/_quest/bed.py", "nets/attention.py"),
    *("nets/graph.py", "nets/language.py", "nets/layers.py", "nets/quest.py"),
    "nets/quest_packed.py",
)
FILES = 32  # windows a file is compared with torch on
PARTS = 4  # batches a gradient is a sum over, where gradients are compared
LOST = 2 * math.log(len(SYMBOLS))  # a loss that is larger, or none, counts as this


def run(
    arms: Sequence[Arm], compared: Sequence[Arm], given: Settings, processes: int
) -> dict[str, Any]:
    """Measure each arm, or take what was kept of it.

    Args:
        arms: To train; ``float`` among them.
        compared: Whose gradients are compared with the trained float network's.
        given: What all share.
        processes: Arms trained at once, a core each.

    Returns:
        By the arm's words: ``loss`` of each seed in nats a character held out; of
        ``float`` also ``alignment``, by the compared arm's words a number a seed; of
        ``quest`` and ``float`` also ``bytes`` of a file and its loss, ``onnx`` and
        ``torch``, of the first seed.
    """
    text = read_text()
    keys = {arm: key(arm, compared, given, text) for arm in arms}
    missing = [arm for arm in arms if not (KEPT / f"{keys[arm]}.json").exists()]
    KEPT.mkdir(parents=True, exist_ok=True)
    work = partial(measure, compared=compared, given=given)
    paths = [KEPT / f"{keys[arm]}.json" for arm in missing]
    if processes > 1 and len(missing) > 1:
        # not forked: the parent's threads of onnxruntime would be missing
        context = get_context("spawn")
        with ProcessPoolExecutor(processes, context) as pool:
            list(pool.map(work, missing, paths))
    else:
        for arm, path in zip(missing, paths, strict=True):
            work(arm, path)
    return {
        str(arm): read_json(KEPT / f"{keys[arm]}.json", "make claim NAME=quest")
        for arm in arms
    }


def key(arm: Arm, compared: Sequence[Arm], given: Settings, text: Text) -> str:
    """Hash of all an arm's numbers depend on."""
    told = {
        "arm": asdict(arm),
        "compared": [asdict(one) for one in compared],
        "settings": asdict(given),
        "text": text.sha256,
        "torch": torch.__version__,
        "code": [sha256(ROOM / name) for name in CODE],
    }
    return hashlib.sha256(canonical(told).encode()).hexdigest()[:16]


def measure(arm: Arm, path: Path, compared: Sequence[Arm], given: Settings) -> None:
    """Train an arm and write what was measured of it."""
    torch.set_num_threads(1)
    text = read_text()
    network = train(arm, text, given)
    windows = held_out(text, given)
    loss = judged(network, windows).nan_to_num(LOST).clamp(max=LOST)
    found: dict[str, Any] = {"loss": loss.tolist()}
    if arm.name == "float":
        parts = torch.split(windows[: PARTS * given.batch], given.batch)
        found["alignment"] = {
            str(one): alignment(network, build(one, given), parts).tolist()
            for one in compared
        }
    if arm.name in ("float", "quest"):
        found |= exported(network, windows[:FILES])
    write_json(path, found)


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
    found = []
    for one in (network, other):
        weights = [layer.weight for layer in one.between().values()]
        losses = [loss_of(one, part.expand(one.stack, -1, -1)).sum() for part in parts]
        found.append(torch.autograd.grad(torch.stack(losses).sum(), weights))
    cosines = [
        torch.cosine_similarity(a.flatten(1), b.flatten(1))
        for a, b in zip(*found, strict=True)
    ]
    return torch.stack(cosines).mean(0)


def exported(network: CharacterModel, windows: Tensor) -> dict[str, Any]:
    """Bytes of the first seed's file, and its loss beside torch's on (N, T + 1)."""
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
