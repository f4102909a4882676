"""QuEST as a compressor, on feed-forward policies and on a transformer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.compress.__main__ import action_error
from tasks.compress.cores.rows import Rows
from tasks.compress.quest import check_scales, from_the_left
from tasks.nets.policy import take
from tasks.nets.quest import Quest
from tasks.nets.quest_packed import QuestLinear
from tests.artifacts.test_onnx_policy import ORIGIN
from tests.artifacts.test_parity import carried
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    model_bytes,
    same_tensors,
)
from tests.compress.test_transformer import rows as windows
from tests.nets.transformers import transformer


def gate(policy: Any, mode: str) -> Any:
    """The export stage's check of the last slice."""
    k = policy.seeds - 1
    contract = contract_of(policy, 0, ORIGIN, mode)
    opened = OnnxPolicy(build_model(policy, k).SerializeToString(), contract, mode)
    rows = make_rows(1000).observations.numpy()
    draw = np.random.default_rng(0)
    return check_parity(Path("x.onnx"), policy, k, opened, rows, draw, 1e-4)


@pytest.mark.parametrize("bits", [1, 1.585, 2, 4, 8])
def test_it_follows_the_policy_and_its_file_does_too(bits: float):
    policy, rows = make_policy((64, 64)), make_rows(512)
    compressor = make_compressor("quest", bits=bits, steps=60, rate=3e-3)
    small, report = compressor.compress(policy, rows)
    stacked = rows.observations.expand(3, -1, -1)
    error = (small(stacked) - policy(stacked)).square().mean()
    assert error < 0.5 * policy(stacked).var()
    for mode in ("exact", "native"):
        assert gate(small, mode)["max"] <= 1e-5
    assert report["mode"] == "native"
    assert report["bits_nominal"] == bits
    assert [layer["bits"] for layer in report["layers"]] == [8, bits, 8]
    assert {layer["kind"] for layer in report["layers"]} == {"QuestLinear"}
    assert report["parameters"] == report["parameters_before"]
    stored = sum(layer["bytes"] for layer in report["layers"])
    assert stored == report["bytes_weights"] < report["bytes_weights_before"] / 3
    assert report["calibration"]["what"] == (
        "the policy's own actions, 60 updates; layers.0: 11 inputs filled up to 16"
    )


@pytest.mark.parametrize("head", ["clip", "gaussian"])
def test_other_heads_pass_the_gate(head: str):
    policy = make_policy((32, 32), head)
    small, _ = make_compressor("quest", steps=2).compress(policy, make_rows())
    assert gate(small, "native")["max"] <= 1e-5


def test_more_bits_follow_better():
    policy, rows = make_policy((64, 64)), make_rows(512)
    errors = []
    for bits in (1, 2, 4, 8):
        compressor = make_compressor("quest", bits=bits, steps=60, rate=3e-3)
        small, _ = compressor.compress(policy, rows)
        errors.append(action_error(policy, small, rows)["mean"])
    assert errors == sorted(errors, reverse=True)


def test_layers_of_one_bit_have_a_twentieth_of_the_bytes():
    policy = make_policy((256, 256, 256))
    compressor = make_compressor("quest", bits=1, steps=1, batch=8)
    small, report = compressor.compress(policy, make_rows())
    for layer in report["layers"][1:3]:
        assert layer["shape"] == [256, 256]
        assert layer["bytes"] <= 4 * 256 * 256 / 20
    # a layer more or less in the real files
    other = make_policy((256, 256))
    less, _ = compressor.compress(other, make_rows())
    ours = len(model_bytes(small)) - len(model_bytes(less))
    theirs = len(model_bytes(policy)) - len(model_bytes(other))
    assert ours <= theirs / 20


def test_seed_k_alone_is_seed_k_of_the_stack():
    policy = make_policy((32, 32))
    compressor = make_compressor("quest", steps=5)
    stacked, _ = compressor.compress(policy, make_rows())
    again, _ = compressor.compress(policy, make_rows())
    assert same_tensors(stacked, again)
    alone, _ = compressor.compress(take(policy, 2), make_rows(seeds=(2,)))
    x = make_rows().observations[None]
    apart = (take(stacked, 2)(x) - alone(x)).abs()
    assert apart.median() < 1e-4  # a code on a border may differ


def test_it_is_saved_and_loaded(tmp_path: Path):
    small, _ = make_compressor("quest", steps=1).compress(make_policy(), make_rows())
    origin = {"seeds": [0, 1, 2], "learner": "bc", "dataset_sha256": "ab"}
    save_policy(tmp_path, small, origin)
    loaded, _ = load_policy(tmp_path)
    assert same_tensors(small, loaded)  # type: ignore[arg-type]
    assert model_bytes(small) == model_bytes(loaded)  # type: ignore[arg-type]


def test_a_transformer_follows_too(tmp_path: Path):
    policy, rows = transformer(gain=8.0), windows()
    compressor = make_compressor("quest", steps=100, rate=3e-3, batch=128)
    small, report = compressor.compress(policy, rows)
    untrained, _ = make_compressor("quest", steps=1, rate=1e-6).compress(policy, rows)
    error = action_error(policy, small, windows(1))["mean"]
    assert error < 0.75 * action_error(policy, untrained, windows(1))["mean"]
    bits = {layer["name"]: layer["bits"] for layer in report["layers"]}
    edges = ("embed_observation", "embed_action", "head")
    assert all(bits.pop(name) == 8 for name in edges)
    assert set(bits.values()) == {2}
    assert report["calibration"]["what"].endswith(
        "embed_observation: 3 inputs filled up to 16; "
        "embed_action: 1 inputs filled up to 16"
    )
    assert report["bytes_weights"] < 0.4 * report["bytes_weights_before"]
    assert carried(small)["max"] <= 1e-6  # in float32 it would be 1e-2 now and then
    save_policy(tmp_path, small, {"seeds": [0, 1]})
    assert build_model(load_policy(tmp_path)[0], 1) == build_model(small, 1)


def test_windows_that_begin_with_their_episode_begin_on_the_left():
    policy, rows = transformer(), windows()
    logged = rows.logged
    assert logged is not None
    returns, observation, action, time, known = from_the_left(policy, logged)
    for i, last in enumerate(logged.time.long().tolist()):
        count = min(last + 1, 4)
        assert known[i, :, 0].tolist() == [1.0] * count + [0.0] * (4 - count)
        numbers = range(last - count + 1, last + 1)  # later ones share the last
        assert time[i, :count].tolist() == [min(n, 39) for n in numbers]
        seen = policy.normalise(logged.observation[i, -count:])
        assert torch.equal(observation[i, :count], seen)
        assert torch.equal(action[i, :count], logged.action[i, -count:] / 2)
        to_go = logged.to_go[i, -count:] * policy.return_scale
        assert torch.equal(returns[i, :count, 0], to_go)


def test_predictions_from_the_left_are_those_of_its_steps():
    policy, rows = transformer(), windows()
    assert rows.logged is not None
    *context, known = from_the_left(policy, rows.logged)
    given = [x.expand(2, *[-1] * x.ndim) for x in context]
    predicted = policy.predict(given[0], given[1], given[2], given[3])  # (S, N, K, A)
    last = known[:, :, 0].sum(1).long() - 1
    ours = predicted[:, torch.arange(len(last)), last]
    theirs = policy.step(*rows.situation(policy))[0]["action"]
    torch.testing.assert_close(2 * ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 0}, "steps: found 0, expected at least 1: QuEST is training"),
        ({"bits": 9}, "bits: found 9"),
        ({"bits": 2.5}, "bits: found 2.5, expected 1, 1.585, 2"),
        ({"edge_bits": 0}, "edge_bits"),
        ({"block": 24}, "block: found 24, expected a power of two >= 16"),
        ({"block": 8}, "block: found 8"),
        ({"rate": 0.0}, "rate"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    changed: dict[str, Any], message: str
):
    with pytest.raises(RefusedError, match=message):
        make_compressor("quest", **changed)


def test_a_rate_that_loses_the_scale_names_the_layer():
    layer = Quest(1, 16, 4, 2, 16)
    layer.weight.data.normal_()
    before = {"layers.1": layer.sigma()}
    check_scales({"layers.1": layer}, before, 3)
    for lost, word in ((float("nan"), "nan"), (0.0, "0")):
        layer.weight.data[0, :, 1] = lost
        wanted = f"layers.1.weight: found sigma {word} after 3 updates"
        with pytest.raises(RefusedError, match=wanted):
            check_scales({"layers.1": layer}, before, 3)


def test_training_that_diverges_is_refused_and_leaves_the_policy():
    policy = make_policy((32, 32))
    before = [p.clone() for p in policy.parameters()]
    policy.layers[1].weight[0] = 3e38  # its squares are infinite
    before[2] = policy.layers[1].weight.clone()
    with pytest.raises(RefusedError, match=r"layers\.1\.weight: found sigma inf after"):
        make_compressor("quest", steps=3).compress(policy, make_rows())
    for old, new in zip(before, policy.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("name", ["int8_static", "gptq4", "structured", "quest"])
def test_what_it_made_is_taken_by_no_compressor_of_float_layers(name: str):
    small, _ = make_compressor("quest", steps=1).compress(make_policy(), make_rows())
    with pytest.raises(RefusedError, match="found QuestLinear, expected a layer"):
        make_compressor(name).compress(small, make_rows())


def test_it_takes_float_layers_alone():
    before, _ = make_compressor("gptq4").compress(make_policy(), make_rows())
    with pytest.raises(RefusedError, match="found BlockLinear, expected a layer Quest"):
        make_compressor("quest").compress(before, make_rows())


def test_float32_and_distill_take_what_it_made():
    small, _ = make_compressor("quest", steps=1).compress(make_policy(), make_rows())
    assert isinstance(small.linears()["layers.1"], QuestLinear)
    same, report = make_compressor("float32").compress(small, make_rows())
    assert same is small
    assert report["mode"] == "native"
    changed = {"hidden": [8], "steps": 2}
    student, _ = make_compressor("distill", **changed).compress(small, make_rows())
    assert student.seeds == 3


@pytest.mark.parametrize("switch", ["hadamard", "trust"])
def test_a_policy_without_one_of_its_parts_is_exported_too(switch: str):
    compressor = make_compressor("quest", steps=2, **{switch: False})
    small, _ = compressor.compress(make_policy((32, 32)), make_rows())
    blocks = {layer.spec()["block"] for layer in small.linears().values()}
    assert blocks == ({1} if switch == "hadamard" else {16, 32})
    assert gate(small, "native")["max"] <= 1e-5


def test_empty_rows_are_refused():
    none = Rows(torch.zeros(0, 11), "made-up", "ab", (0, 1, 2))
    with pytest.raises(RefusedError, match="rows: found 0"):
        make_compressor("quest", steps=1).compress(make_policy(), none)
