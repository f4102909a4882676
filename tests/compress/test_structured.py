import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.compress.structured import prune
from tasks.nets.policy import take
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    model_bytes,
    onnx_difference,
    same_tensors,
)


def test_dead_units_go_and_nothing_changes():
    policy, rows = make_policy((32, 32)), make_rows()
    policy.layers[0].bias[:, :, 5:21] = -1e3  # never fire
    policy.layers[2].weight[:, 8:24] = 0  # nobody listens
    small, report = make_compressor("structured", steps=0).compress(policy, rows)
    assert [layer["shape"] for layer in report["layers"]] == [
        [11, 16],
        [16, 16],
        [16, 3],
    ]
    stacked = rows.observations.expand(3, -1, -1)
    assert (small(stacked) - policy(stacked)).abs().max() < 1e-5


def test_each_seed_loses_its_own_units():
    policy, rows = make_policy((8,)), make_rows()
    for k in range(3):
        policy.layers[1].weight[k, k] = 0
    x = policy.normalise(rows.observations.expand(3, -1, -1))
    small = prune(policy, x, 7 / 8)
    for k in range(3):
        kept = [i for i in range(8) if i != k]
        assert torch.equal(
            small.layers[0].weight[k], policy.layers[0].weight[k][:, kept]
        )
        assert torch.equal(small.layers[1].weight[k], policy.layers[1].weight[k][kept])


def test_the_file_is_really_smaller_and_runs():
    policy = make_policy((256, 256))
    small, report = make_compressor("structured", steps=1).compress(policy, make_rows())
    assert len(model_bytes(small)) < 0.3 * len(model_bytes(policy))
    assert report["parameters"] < 0.3 * report["parameters_before"]
    assert report["layers"][0]["error"] is None  # its layers have no counterpart
    assert onnx_difference(small, make_rows().observations, "exact") <= 1e-5


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
def test_fine_tuning_brings_the_actions_back(head: str):
    policy, rows = make_policy((32, 32), head), make_rows(512)
    stacked = rows.observations.expand(3, -1, -1)

    def error(steps: int) -> float:
        compressor = make_compressor("structured", steps=steps)
        small, _ = compressor.compress(policy, rows)
        return float((small(stacked) - policy(stacked)).square().mean())

    assert error(200) < 0.5 * error(0)


def test_the_input_policy_is_left_as_it_is():
    policy = make_policy()
    make_compressor("structured").compress(policy, make_rows())
    assert same_tensors(policy, make_policy())


def test_seed_k_alone_is_seed_k_of_the_stack():
    policy = make_policy()
    compressor = make_compressor("structured")
    stacked, _ = compressor.compress(policy, make_rows())
    alone, _ = compressor.compress(take(policy, 1), make_rows(seeds=(1,)))
    again, _ = compressor.compress(policy, make_rows())
    assert same_tensors(stacked, again)
    for left, right in zip(take(stacked, 1).layers, alone.layers, strict=True):
        torch.testing.assert_close(left.weight, right.weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("first", ["int8_static", "gptq4"])
def test_a_quantised_policy_is_refused(first: str):
    before, _ = make_compressor(first).compress(make_policy(), make_rows())
    with pytest.raises(RefusedError, match="can take: Linear"):
        make_compressor("structured").compress(before, make_rows())


def test_a_share_that_prunes_nothing_is_refused():
    with pytest.raises(RefusedError, match=r"bytes of weights.*fewer than the"):
        make_compressor("structured", keep=0.999).compress(make_policy(), make_rows())
