"""The runtime acts as the project's own evaluation does, on every kind of policy."""

from pathlib import Path

import numpy as np
import pytest

import offcut
from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_policy import (
    OnnxPolicy,
    build_model,
    contract_of,
    write_onnx,
)
from tasks.evaluate.engine.noise import Noise
from tasks.nets.policy import Policy
from tests.artifacts.test_onnx_policy import ORIGIN, write
from tests.compress.harness import make_policy
from tests.nets.diffusions import diffusion
from tests.nets.transformers import transformer

ROOT = Path(__file__).parents[2]


def exported(path: Path, policy: Policy) -> Path:
    model = build_model(policy, 0)
    write_onnx(path, model, contract_of(policy, 0, ORIGIN, "exact"))
    return path


def test_a_plain_policy_acts_alike(tmp_path: Path):
    path = write(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    rows = np.random.default_rng(0).normal(size=(17, 11))
    policy = offcut.Policy.open(path)
    action, state = policy.act(rows, policy.reset(17))
    assert np.array_equal(action, OnnxPolicy.open(path).act(rows))
    assert (action.dtype, state.steps.tolist()) == (np.float32, [1] * 17)


def test_a_sequence_is_carried_and_begun_again(tmp_path: Path):
    path = exported(tmp_path / "a.onnx", transformer())
    mine, theirs = offcut.Policy.open(path), OnnxPolicy.open(path)
    draw, width = np.random.default_rng(0), mine.contract["inputs"]["observation"]
    state, carry = mine.reset(4), theirs.reset(4)
    for step in range(12):
        observation = draw.normal(size=(4, width["shape"][1]))
        reward = draw.normal(size=(4, 1))
        action, state = mine.act(observation, state, reward=reward)
        outputs, carry = theirs.step(
            {"observation": observation, "reward": reward}, carry
        )
        assert np.array_equal(action, outputs["action"])
        if step == 6:
            state = mine.restart(state, [False, True, False, False])
            for name, value in theirs.reset(1).items():
                carry[name][1] = value[0]
    assert state.steps.tolist() == [12, 5, 12, 12]
    assert state.seeds.tolist() == [0, 5, 2, 3]


def test_noise_is_that_of_evaluation(tmp_path: Path):
    path = exported(tmp_path / "a.onnx", diffusion())
    mine, theirs = offcut.Policy.open(path), OnnxPolicy.open(path)
    assert theirs.acting == "normal"
    width = mine.contract["inputs"]["noise"]["shape"][1]
    noise, state = Noise(range(5, 8), width), mine.reset(3, seed=5)
    rows = np.random.default_rng(0).normal(size=(3, 11))
    for step in range(70):
        action, state = mine.act(rows, state)
        assert np.array_equal(action, theirs.act(rows, noise(step)))
    still, _ = mine.act(rows, state, noise=np.zeros((3, width)))
    assert np.array_equal(still, theirs.act(rows))


def test_noise_of_a_policy_that_is_played_without_is_zero():
    path = ROOT / "data/behaviors/hopper/expert.onnx"
    policy = offcut.Policy.open(path)
    rows = np.random.default_rng(0).normal(size=(2, 11))
    action, state = policy.act(rows, policy.reset(2))
    assert np.array_equal(action, OnnxPolicy.open(path).act(rows))
    moved, _ = policy.act(rows, state, noise=np.ones((2, 3)))
    assert not np.array_equal(action, moved)


def test_masks_choose_among_the_legal():
    policy = offcut.Policy.open(ROOT / "data/behaviors/taxi/expert.onnx")
    rows = np.random.default_rng(0).normal(size=(50, 19))
    state = policy.reset(50)
    legal = np.zeros((50, 6))
    legal[:, 4] = 1
    assert set(policy.act(rows, state, legal=legal)[0]) == {4}
    assert len(set(policy.act(rows, state)[0])) > 1
    legal[7] = 0
    with pytest.raises(offcut.RefusedError, match="a mask that forbids every action"):
        policy.act(rows, state, legal=legal)


@pytest.mark.parametrize(
    ("shape", "inputs", "match"),
    [
        ((3, 4), {}, r"observation: found \(3, 4\), expected \(2, 11\)"),
        ((11,), {}, r"observation: found \(11,\)"),
        ((2, 11), {"reward": [[0.0]]}, "inputs: found reward, expected observation"),
    ],
)
def test_other_inputs_are_refused(
    shape: tuple[int, ...], inputs: dict, match: str, tmp_path: Path
):
    policy = offcut.Policy.open(write(tmp_path / "a.onnx", make_policy(seeds=(4, 7))))
    with pytest.raises(offcut.RefusedError, match=match) as caught:
        policy.act(np.zeros(shape), policy.reset(2), **inputs)
    assert "\n" not in str(caught.value)


def test_a_file_alone_is_opened_and_the_json_beside_it_is_compared(tmp_path: Path):
    path = write(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    contract = offcut.Policy.open(path).contract
    path.with_suffix(".json").rename(tmp_path / "kept.json")
    assert offcut.Policy.open(path).contract == contract
    (tmp_path / "kept.json").rename(path.with_suffix(".json"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(offcut.RefusedError, match=f"sha256: found {sha256(path)}"):
        offcut.Policy.open(path)


def test_a_bench_counts_its_calls(tmp_path: Path):
    path = write(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    latency = offcut.Policy.open(path).bench(calls=50, warm_up=5)
    assert latency.calls == 50
    assert 0 < latency.p50_us <= latency.p99_us


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(offcut.RefusedError, match="found No such file"):
        offcut.Policy.open(tmp_path / "a.onnx")
