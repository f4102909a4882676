"""What changed in a graph, tensor by tensor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from tasks.compare.onnx_graphs import graphs, tensors
from tasks.compare.revision import Revision
from tasks.report.cores.words import THIN
from tests.compare.conftest import DATASET, network, put_network

Revisions = Callable[..., tuple[Revision, Revision]]
LEAF = f"{DATASET}/bc/gptq4"


def test_every_kind_of_change_is_told(tmp_path: Path):
    kept = np.ones(3, np.float32)
    before = network(2.0, same=kept, gone=kept, shape=kept, type=kept)
    after = network(
        3.0,
        same=kept,
        new=np.ones((2, 2), np.int8),
        shape=np.ones(5, np.float32),
        type=np.ones(3, np.float16),
    )
    onnx.save(before, tmp_path / "a.onnx")
    onnx.save(after, tmp_path / "b.onnx")
    found = tensors(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert {t.name: (t.kind, t.words) for t in found} == {
        "layer0.weight": ("changed", f"moved by 50{THIN}%"),
        "shape": ("reshaped", "[3] to [5]"),
        "type": ("retyped", "FLOAT to FLOAT16"),
        "gone": ("removed", "removed: FLOAT [3]"),
        "new": ("added", "added: INT8 [2, 2]"),
    }


def test_a_tensor_that_was_zero_has_no_share(tmp_path: Path):
    onnx.save(network(0.0), tmp_path / "a.onnx")
    onnx.save(network(1.0), tmp_path / "b.onnx")
    (only,) = tensors(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert only.words == "changed from zero"


def test_the_same_values_stored_otherwise_did_not_change(tmp_path: Path):
    model = network(1.0)
    onnx.save(model, tmp_path / "a.onnx")
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).ravel().tolist()
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values)
    onnx.save(model, tmp_path / "b.onnx")
    assert tensors(tmp_path / "a.onnx", tmp_path / "b.onnx") == ()


def test_files_are_told_by_seed(revisions: Revisions):
    def edit(folder: Path) -> None:
        put_network(folder, LEAF, 1, network(7.0))
        put_network(folder, LEAF, 2, network(3.0, width=8))

    found = {g.key[2]: g for g in graphs(*revisions(edit))}
    assert found["float32"].same
    changed = found["gptq4"]
    assert not changed.same
    assert [file.same for file in changed.files] == [True, False, False]
    weight = changed.tensors["layer0.weight"]
    assert {seed: t.kind for seed, t in weight.items()} == {1: "changed", 2: "reshaped"}
    assert weight[1].words == f"moved by 250{THIN}%"
    assert changed.bytes[1] > changed.bytes[0]


def test_operators_are_counted(revisions: Revisions):
    def edit(folder: Path) -> None:
        model = network(1.0)
        model.graph.node[1].op_type = "Relu"
        put_network(folder, LEAF, 0, model)

    changed = next(g for g in graphs(*revisions(edit)) if g.key[2] == "gptq4")
    assert changed.nodes == (("Gemm", 1, 1), ("Relu", 0, 1), ("Tanh", 1, 0))
    assert changed.tensors == {}


def test_a_seed_of_one_revision_is_named(revisions: Revisions):
    def edit(folder: Path) -> None:
        (folder / "data/onnx" / LEAF / "seed-2.json").unlink()

    changed = next(g for g in graphs(*revisions(edit)) if g.key[2] == "gptq4")
    assert changed.lonely == (2,)
    assert not changed.same
