from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.compress.cores.rows import Rows
from tasks.compress.qat4 import Straight
from tasks.nets.policy import take
from tasks.nets.quantised import BlockLinear
from tests.compress.harness import (
    make_compressor,
    make_pendulum,
    make_policy,
    make_rows,
    model_bytes,
    onnx_difference,
    same_tensors,
)


def coded(bits: int = 4) -> BlockLinear:
    draw = torch.Generator().manual_seed(0)
    layer = BlockLinear(2, 20, 5, bits, 16)
    layer.codes = torch.randint(-7, 8, (2, 5, 20), generator=draw)
    layer.scale.uniform_(0.1, 0.2, generator=draw)
    layer.bias.uniform_(-1, 1, generator=draw)
    return layer


def test_its_file_is_that_of_gptq4():
    policy, rows = make_policy((256, 256)), make_rows()
    small, report = make_compressor("qat4", steps=1).compress(policy, rows)
    other, _ = make_compressor("gptq4").compress(policy, rows)
    assert len(model_bytes(small)) == len(model_bytes(other))
    assert [layer["bits"] for layer in report["layers"]] == [8, 4, 8]
    assert [layer["kind"] for layer in report["layers"]] == ["BlockLinear"] * 3
    assert (report["bits_nominal"], report["mode"]) == (4, "exact")


def halves(**extra: Any) -> tuple[Rows, Tensor]:
    """Rows to learn on, and others of their kind, (3, 2048, O)."""
    rows = make_rows(4096, **extra)
    first, second = rows.observations.split(2048)
    return replace(rows, observations=first), second.expand(3, -1, -1)


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
def test_it_errs_less_than_what_it_began_with(head: str):
    policy, (rows, new) = make_policy((48, 48), head), halves()
    errors = []
    for name, changed in (("gptq4", {}), ("qat4", {"steps": 300, "rate": 3e-4})):
        small, _ = make_compressor(name, **changed).compress(policy, rows)
        errors.append((small(new) - policy(new)).abs().mean((1, 2)))
    assert (errors[1] < 0.95 * errors[0]).all()


def test_visited_states_pull_the_error_where_the_policy_goes():
    policy = make_policy((32, 32), observation=3, action=1)
    rows, there = halves(width=3, world=make_pendulum())
    errors = {}
    for states in ("data", "visited"):
        compressor = make_compressor("qat4", states=states, steps=200, rate=3e-4)
        small, report = compressor.compress(policy, rows)
        errors[states] = float((small(there) - policy(there)).abs().mean())
        assert ("visited" in report["calibration"]["what"]) == (states == "visited")
    assert errors["data"] < errors["visited"]


def test_the_stored_codes_act_as_what_was_trained():
    begun = coded()
    layer = Straight(begun)
    x = torch.randn(2, 30, 20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(x), begun(x))
    assert torch.equal(layer.coded().packed, begun.packed)
    with torch.no_grad():
        layer.weight.add_(0.3)  # other codes, some beyond the last
    after = layer.coded()
    assert not torch.equal(after.packed, begun.packed)
    assert after.codes.abs().max() == 7
    torch.testing.assert_close(layer(x), after(x))


def test_the_gradient_goes_straight_through_unless_clipped():
    layer = Straight(coded())
    with torch.no_grad():
        layer.weight[0, 0, 0] = 9 * layer.steps[0, 0, 0]
        layer.weight[0, 1, 0] = 3.4 * layer.steps[0, 1, 0]
    layer(torch.ones(2, 1, 20)).sum().backward()
    gradient = layer.weight.grad
    assert gradient is not None
    assert gradient[0, 0, 0] == 0
    assert gradient[0, 1, 0] == 1
    assert float(gradient.sum()) == 2 * 20 * 5 - 1


@pytest.mark.parametrize("mode", ["exact", "native"])
def test_torch_and_onnxruntime_agree(mode: str):
    changed = {"block": 16, "edge_bits": 4, "steps": 5}
    compressor = make_compressor("qat4", **changed)
    small, _ = compressor.compress(make_policy((33, 48)), make_rows())
    assert onnx_difference(small, make_rows().observations, mode) <= 1e-5


def test_seed_k_alone_is_seed_k_of_the_stack():
    policy = make_policy((24, 24), observation=3, action=1)
    compressor = make_compressor("qat4", steps=20)
    stacked, _ = compressor.compress(policy, make_rows(width=3, world=make_pendulum()))
    again, _ = compressor.compress(policy, make_rows(width=3, world=make_pendulum()))
    rows = make_rows(width=3, world=make_pendulum(), seeds=(2,))
    alone, _ = compressor.compress(take(policy, 2), rows)
    assert same_tensors(stacked, again)
    for left, right in zip(take(stacked, 2).layers, alone.layers, strict=True):
        assert torch.equal(left.scale, right.scale)
        share = (left.codes != right.codes).float().mean()
        assert share < 0.01  # sums of a stack round otherwise


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block": 24}, r"compress.qat4.block: found 24, expected a power of two"),
        ({"edge_bits": 6}, r"compress.qat4.edge_bits: found 6, expected 4 or 8"),
        ({"steps": 0}, r"compress.qat4.steps: found 0"),
        ({"states": "all"}, r"compress.qat4.states: found 'all', expected one of data"),
    ],
)
def test_parameters_out_of_range_are_refused(changed: dict[str, Any], message: str):
    with pytest.raises(RefusedError, match=message):
        make_compressor("qat4", **changed)
