import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256, write_json
from tasks.artifacts.policy import (
    load_policy,
    makers_of,
    save_policy,
    statistics_sha256,
    weights_sha256,
)
from tasks.artifacts.sealed import write_sealed
from tasks.nets.feedforward import Feedforward
from tasks.train import Spaces
from tasks.train.cores.actor_critic import actor
from tests.artifacts.mutations import spoilt_bytes, spoilt_json

SEEDS = (0, 1, 5)
ORIGIN = {"seeds": list(SEEDS), "learner": "bc", "dataset": "hopper"}


def made(head: str = "tanh", mean: float = 0.5) -> Feedforward:
    spaces = Spaces(
        torch.full((4,), mean), torch.full((4,), 2.0), -torch.ones(2), torch.ones(2)
    )
    return actor(spaces, SEEDS, (8,), head)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_policy(tmp_path, made(), ORIGIN)
    return tmp_path


def restate(folder: Path, **changes: Any) -> None:
    """Change policy.json; its hashes fit the files that lie there."""
    spec = json.loads((folder / "policy.json").read_text())
    spec["file_sha256"] = sha256(folder / "policy.safetensors")
    write_sealed(folder / "policy.json", spec | changes)


def change_tensors(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    tensors = load_file(folder / "policy.safetensors")
    change(tensors)
    save_file(tensors, folder / "policy.safetensors")


@pytest.mark.parametrize("head", ["tanh", "gaussian"])
def test_what_was_saved_is_read(tmp_path: Path, head: str):
    before = made(head)
    save_policy(tmp_path, before, ORIGIN)
    after, origin = load_policy(tmp_path)
    assert ORIGIN.items() <= origin.items()
    observation = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before(observation), after(observation))
    assert not any(p.requires_grad for p in after.parameters())


def test_the_same_policy_is_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_policy(tmp_path / name, made(), ORIGIN)
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")


def test_weights_and_statistics_have_hashes_of_their_own(tmp_path: Path):
    specs = []
    for name, policy in (("a", made()), ("b", made(mean=0.501))):
        (tmp_path / name).mkdir()
        save_policy(tmp_path / name, policy, ORIGIN)
        specs.append(json.loads((tmp_path / name / "policy.json").read_text()))
    assert specs[0]["statistics_sha256"] != specs[1]["statistics_sha256"]
    assert specs[0]["file_sha256"] != specs[1]["file_sha256"]
    assert specs[0]["weights_sha256"] == specs[1]["weights_sha256"]
    assert specs[0]["statistics_sha256"] == statistics_sha256(made())


def test_one_changed_weight_changes_the_weights_hash_alone():
    policy, other = made(), made()
    with torch.no_grad():
        other.layers[0].bias[1, 0, 0] += 1e-3
    assert weights_sha256(policy) != weights_sha256(other)
    assert statistics_sha256(policy) == statistics_sha256(other)


def test_one_changed_byte_is_refused(folder: Path):
    weights = folder / "policy.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RefusedError, match="sha256: found .*make it again"):
        load_policy(folder)


def test_missing_weights_are_refused(folder: Path):
    (folder / "policy.safetensors").unlink()
    with pytest.raises(RefusedError, match="sha256: found nothing"):
        load_policy(folder)


def test_a_missing_policy_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="file: found nothing"):
        load_policy(tmp_path)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(folder: Path, schema: Any):
    restate(folder, schema=schema)
    with pytest.raises(RefusedError, match="schema: found .*expected 1"):
        load_policy(folder)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"x"'])
def test_json_that_is_no_object_is_refused(folder: Path, content: str):
    (folder / "policy.json").write_text(content)
    with pytest.raises(RefusedError, match="content: found .*expected an object"):
        load_policy(folder)


@pytest.mark.parametrize(
    "key",
    ["policy", "origin", "file_sha256", "weights_sha256", "statistics_sha256"],
)
def test_a_missing_key_is_refused(folder: Path, key: str):
    spec = json.loads((folder / "policy.json").read_text())
    del spec[key]
    write_sealed(folder / "policy.json", spec)
    with pytest.raises(RefusedError, match=f"{key}: found nothing"):
        load_policy(folder)


def test_other_statistics_are_refused(folder: Path):
    def shift(tensors: dict[str, Any]) -> None:
        tensors["observation_mean"][0] += 1e-3

    change_tensors(folder, shift)
    restate(folder)
    with pytest.raises(RefusedError, match="statistics: found"):
        load_policy(folder)


def test_other_weights_are_refused(folder: Path):
    def shift(tensors: dict[str, Any]) -> None:
        tensors["layers.0.bias"] += 1e-3

    change_tensors(folder, shift)
    restate(folder)
    with pytest.raises(RefusedError, match="weights: found"):
        load_policy(folder)


def test_tensors_of_another_shape_are_refused(folder: Path):
    def widen(tensors: dict[str, Any]) -> None:
        tensors["layers.0.bias"] = torch.zeros(3, 1, 9)

    change_tensors(folder, widen)
    restate(folder)
    with pytest.raises(RefusedError, match="tensors: found .*size mismatch") as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_safetensors_are_refused(folder: Path):
    (folder / "policy.safetensors").write_bytes(b"\x80\x04junk")
    restate(folder)
    with pytest.raises(RefusedError, match="tensors"):
        load_policy(folder)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "tasks.learn.sac.SAC",
        "tasks.nets.feedforward.resolve",
        "torch.nn.Linear",
    ],
)
def test_a_layer_of_another_kind_is_refused(folder: Path, target: str):
    spec = made().spec()
    spec["layers"][0]["class"] = target
    restate(folder, policy=spec)
    with pytest.raises(RefusedError, match=r"policy\.json: policy\.layers"):
        load_policy(folder)


@pytest.mark.parametrize(
    "change",
    [{"head": "softmax"}, {"layers": None}, {"layers": ["x"]}, {"stack": "three"}],
)
def test_a_description_that_does_not_fit_is_refused(
    folder: Path, change: dict[str, Any]
):
    restate(folder, policy=made().spec() | change)
    with pytest.raises(RefusedError, match=r"policy\.json: policy: found"):
        load_policy(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"observation": 10**12},
        {"stack": 10**10},
        {"layers": made().spec()["layers"] * 10**5},
    ],
)
def test_sizes_beyond_the_file_are_refused_before_memory_is_taken(
    folder: Path, change: dict[str, Any]
):
    restate(folder, policy=made().spec() | change)
    with pytest.raises(RefusedError, match=r"policy: found more than .* in a file of"):
        load_policy(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_opened(
    folder: Path, value: float
):
    def spoil(tensors: dict[str, Any]) -> None:
        tensors["layers.0.bias"][0, 0, 0] = value

    change_tensors(folder, spoil)
    restate(folder)
    with pytest.raises(
        RefusedError, match=r"layers\.0\.bias: found a number that is no"
    ):
        load_policy(folder)
    policy = made()
    with torch.no_grad():
        policy.layers[0].bias[0, 0, 0] = value
    with pytest.raises(
        RefusedError, match=r"layers\.0\.bias: found a number that is no"
    ):
        save_policy(folder, policy, ORIGIN)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"seeds": 3}, "origin.seeds: found 3"),
        ({"seeds": [0, "1"]}, "origin.seeds: found"),
        ({"seeds": [4, 4]}, "origin.seeds: found .* none twice"),
        ({"seeds": [4, -7]}, "origin.seeds: found .* whole numbers from 0"),
        ({"seeds": [4]}, r"origin.seeds: found \[4\], expected .*, as many"),
        ({"seeds": [4, 7, 9, 2]}, "origin.seeds: found .*, expected .*, as many"),
        ({"learner": None}, "origin.learner: found None, expected str"),
        ({"step_seconds": True}, "origin.step_seconds: found True"),
        ({"step_seconds": 0}, "origin.step_seconds: found 0, expected seconds above 0"),
    ],
)
def test_an_origin_of_other_types_is_refused(
    folder: Path, changes: dict[str, Any], match: str
):
    restate(folder, origin=ORIGIN | changes)
    with pytest.raises(RefusedError, match=match):
        load_policy(folder)


def test_an_origin_without_what_later_stages_read_is_refused(folder: Path):
    origin = load_policy(folder)[1]
    with pytest.raises(RefusedError, match="origin.made_by: found nothing"):
        makers_of(folder, origin)
    about = {"made_by": [], "dataset_sha256": "", "world": "hopper", "env_id": "x"}
    assert makers_of(folder, ORIGIN | about | {"step_seconds": 1}) == []
    with pytest.raises(RefusedError, match="origin.step_seconds: found nothing"):
        makers_of(folder, ORIGIN | about)


def test_a_damaged_policy_is_refused_or_read(folder: Path):
    spec = json.loads((folder / "policy.json").read_text())
    weights = folder / "policy.safetensors"
    content, draw = weights.read_bytes(), np.random.default_rng(0)
    for version in spoilt_json(spec, 200, draw):
        put = write_sealed if isinstance(version, dict) else write_json
        put(folder / "policy.json", version)
        with contextlib.suppress(RefusedError):
            load_policy(folder)
    for damaged in spoilt_bytes(content, 100, draw):
        weights.write_bytes(damaged)
        write_sealed(folder / "policy.json", spec | {"file_sha256": sha256(weights)})
        with pytest.raises(RefusedError):
            load_policy(folder)
