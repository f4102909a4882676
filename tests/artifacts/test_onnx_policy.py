import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256, write_json
from tasks.artifacts.onnx_check import TYPES
from tasks.artifacts.onnx_policy import (
    KEY,
    OnnxPolicy,
    build_model,
    contract_of,
    write_onnx,
)
from tasks.nets.feedforward import Feedforward
from tests.artifacts.mutations import spoilt_bytes, spoilt_json
from tests.compress.harness import make_policy

ORIGIN = {
    "seeds": [4, 7],
    "learner": "bc",
    "dataset": "hops",
    "dataset_sha256": "ab" * 32,
    "world": "hopper",
    "env_id": "Hopper-v5",
    "step_seconds": 0.008,
    "variant": "float32",
    "made_by": [],
    "weights_sha256": "cd" * 32,
    "statistics_sha256": "ef" * 32,
}


def write(path: Path, policy: Feedforward, k: int = 0) -> Path:
    write_onnx(path, build_model(policy, k), contract_of(policy, k, ORIGIN, "exact"))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "seed-4.onnx", make_policy(seeds=(4, 7)))


def change(path: Path, edit: Callable[[onnx.ModelProto], Any]) -> None:
    """Edit the model; the hash beside it is made to fit."""
    model = onnx.load(path, load_external_data=False)
    edit(model)
    path.write_bytes(model.SerializeToString())
    restate(path)


def restate(path: Path, both: bool = False, **changes: Any) -> None:
    """Change the contract beside a file, or inside it too; hashes fit."""
    contract = read_json(path.with_suffix(".json"), "")
    stated = {k: v for k, v in (contract | changes).items() if v is not None}
    del stated["onnx_sha256"]
    if both:
        model = onnx.load(path)
        del model.metadata_props[:]
        helper.set_model_props(model, {KEY: json.dumps(stated)})
        path.write_bytes(model.SerializeToString())
    write_json(path.with_suffix(".json"), stated | {"onnx_sha256": sha256(path)})


def assert_refused(path: Path, match: str) -> None:
    with pytest.raises(RefusedError, match=match) as caught:
        OnnxPolicy.open(path)
    assert "\n" not in str(caught.value)


def test_what_was_written_is_opened(file: Path):
    opened = OnnxPolicy.open(file)
    assert (opened.mode, opened.threads) == ("exact", 1)
    assert opened.contract == read_json(file.with_suffix(".json"), "")
    assert opened.session_info()["mode"] == "exact"
    assert OnnxPolicy.open(file, "native", 2).session_info()["threads"] == 2


def test_the_same_policy_is_the_same_bytes(tmp_path: Path):
    one, again = (
        write(tmp_path / name, make_policy(seeds=(4, 7))) for name in ("a", "b")
    )
    other = write(tmp_path / "c", make_policy(seeds=(4, 7)), 1)
    assert one.read_bytes() == again.read_bytes()
    assert one.read_bytes() != other.read_bytes()


def test_the_file_holds_no_debug_metadata(file: Path):
    model = onnx.load(file)
    assert [p.key for p in model.metadata_props] == [KEY]
    assert not model.doc_string
    assert not model.graph.doc_string
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input):
        assert not part.metadata_props
        assert not part.doc_string
    assert b"/" not in b"".join(n.name.encode() for n in model.graph.node)
    assert (model.opset_import[0].version, model.ir_version) == (21, 10)


@pytest.mark.parametrize("batch", [1, 2, 7, 17])
def test_any_batch_gives_the_same_actions(file: Path, batch: int):
    opened = OnnxPolicy.open(file)
    rows = np.random.default_rng(0).normal(size=(17, 11))
    parts = np.array_split(rows, range(batch, 17, batch))
    whole = opened.act(rows)
    assert (whole.shape, whole.dtype) == ((17, 3), np.float32)
    found = np.concatenate([opened.act(part) for part in parts])
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)
    assert whole.min() >= -2
    assert whole.max() <= 1


def test_noise_moves_a_gaussian_policy_and_no_other(tmp_path: Path):
    rows = np.random.default_rng(0).normal(size=(5, 11))
    noise = np.random.default_rng(1).normal(size=(5, 3))
    for head, moved in (("tanh", False), ("gaussian", True)):
        path = write(tmp_path / f"{head}.onnx", make_policy(head=head, seeds=(4, 7)))
        opened = OnnxPolicy.open(path)
        still = opened.act(rows)
        assert np.array_equal(still, opened.act(rows, np.zeros((5, 3))))
        assert (not np.array_equal(still, opened.act(rows, noise))) == moved


def test_another_hash_is_refused(file: Path):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert_refused(file, "sha256: found .*make it again")


def test_a_missing_file_or_contract_is_refused(file: Path):
    moved = file.with_suffix(".kept")
    file.rename(moved)
    assert_refused(file, "sha256: found nothing")
    moved.rename(file)
    file.with_suffix(".json").unlink()
    assert_refused(file, r"seed-4\.json: file: found nothing")


def test_a_file_without_a_contract_inside_is_refused(file: Path):
    change(file, lambda m: m.ClearField("metadata_props"))
    assert_refused(file, "offcut.contract: found other values for carry, dataset")


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_contract_inside_that_is_no_object_is_refused(file: Path, text: str):
    change(file, lambda m: setattr(m.metadata_props[0], "value", text))
    assert_refused(file, "offcut.contract: found other values")


def test_a_contract_that_differs_from_the_one_beside_is_refused(file: Path):
    restate(file, world="walker2d", seed=5)
    assert_refused(file, "found other values for seed, world, expected those beside it")
    restate(file, world="hopper", seed=4)
    assert OnnxPolicy.open(file).contract["seed"] == 4
    restate(file, note="said beside the file only")
    assert_refused(file, "found other values for note")


@pytest.mark.parametrize("key", [key for key in TYPES if key != "onnx_sha256"])
def test_a_contract_that_lacks_a_key_is_refused(file: Path, key: str):
    restate(file, both=True, **{key: None})
    assert_refused(file, f"{key}: found nothing, expected a value")


@pytest.mark.parametrize("content", ["[]", "3", '{"schema": 2}', "{}"])
def test_a_contract_of_another_kind_is_refused(file: Path, content: str):
    file.with_suffix(".json").write_text(content)
    assert_refused(file, "schema: found .*expected 1|expected an object")


def action(width: int, high: Any = 1.0) -> dict[str, Any]:
    """A continuous action as a contract states it."""
    return {"shape": ["batch", width], "low": [-1.0] * width, "high": [high] * width}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"inputs": {"observation": {"shape": ["batch", 12]}}}, r"found \[0, 11\]"),
        ({"inputs": {"o": {"shape": ["batch", 11]}}}, "inputs.observation: found no"),
        ({"inputs": {}}, "inputs.observation: found nothing"),
        ({"inputs": {"observation": {}}}, r"observation\.shape: .*\[batch, width\]"),
        ({"inputs": ["observation"]}, "inputs: found"),
        ({"inputs": {"observation": {"shape": [1, 11]}}}, "observation.shape: found"),
        ({"inputs": {"observation": {"shape": ["batch", -1]}}}, "observation.shape: f"),
        ({"outputs": {"action": {"shape": ["batch", 3]}}}, "action.low: found None"),
        ({"outputs": {"action": action(2)}}, r"action.shape: found \[0, 3\]"),
        ({"outputs": {"action": action(3, "1")}}, "action.high: found"),
        ({"outputs": {"action": {"shape": ["batch"], "dtype": "int64"}}}, "action.n: "),
        ({"step_seconds": "0.1"}, "step_seconds: found '0.1', expected int or float"),
        ({"seed": True}, "seed: found True, expected int"),
        ({"dataset": {"name": 3, "sha256": ""}}, "dataset.name: found 3"),
        ({"made_by": "me"}, "made_by: found 'me', expected list"),
        ({"mode": "fast"}, "mode: found fast, expected exact or native"),
    ],
)
def test_a_contract_that_does_not_describe_the_graph_is_refused(
    file: Path, changes: dict[str, Any], match: str
):
    restate(file, both=True, **changes)
    assert_refused(file, match)


def test_a_newer_opset_or_ir_is_refused(file: Path):
    change(file, lambda m: setattr(m.opset_import[0], "version", 27))
    assert_refused(file, "opset / IR: found 27 / 10, expected at most 26 / 13")
    change(file, lambda m: setattr(m.opset_import[0], "version", 21))
    change(file, lambda m: setattr(m, "ir_version", 14))
    assert_refused(file, "opset / IR: found 21 / 14")


@pytest.mark.parametrize("content", [b"not a model", b"\x80\x04junk"])
def test_a_file_that_is_no_onnx_is_refused(file: Path, content: bytes):
    file.write_bytes(content)
    restate(file)
    assert_refused(file, "content: found .*expected an ONNX model")


def test_a_graph_that_cannot_run_is_refused(file: Path):
    change(file, lambda m: setattr(m.graph.node[0], "op_type", "Nonsense"))
    assert_refused(file, "found the operator Nonsense")


def test_a_contract_without_parity_or_made_by_is_taken(file: Path):
    restate(file, both=True, made_by=None, parity=None)
    assert "made_by" not in OnnxPolicy.open(file).contract


def test_a_damaged_file_is_refused_or_opened(
    file: Path, capfd: pytest.CaptureFixture[str]
):
    contract, draw = read_json(file.with_suffix(".json"), ""), np.random.default_rng(0)
    opened = 0
    for version in spoilt_bytes(file.read_bytes(), 300, draw):
        file.write_bytes(version)
        stated = contract | {"onnx_sha256": sha256(file)}
        write_json(file.with_suffix(".json"), stated)
        with contextlib.suppress(RefusedError):
            OnnxPolicy.open(file)
            opened += 1
    assert 0 < opened < 150
    assert "EP Error" not in capfd.readouterr().out


def test_a_damaged_contract_is_refused_or_opened(file: Path):
    contract = read_json(file.with_suffix(".json"), "")
    del contract["onnx_sha256"]
    content = file.read_bytes()
    for version in spoilt_json(contract, 150, np.random.default_rng(0)):
        file.write_bytes(content)
        write_json(file.with_suffix(".json"), {"onnx_sha256": ""})
        restate(file, both=True, **version)
        with contextlib.suppress(RefusedError):
            opened = OnnxPolicy.open(file)
            opened.step({"observation": np.zeros((2, 11))}, opened.reset(2))
