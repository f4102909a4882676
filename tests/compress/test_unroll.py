"""Fixed steps in place of a solver: as few as the error allows, and their file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_predictor import (
    OnnxPredictor,
    build_predictor,
    predictor_contract,
)
from tasks.artifacts.params import build
from tasks.artifacts.predictor_parity import check_predictor_parity
from tasks.compress.cores.rows import ArrayRows
from tasks.nets.layers import Linear
from tasks.nets.network import take
from tasks.nets.ode import OdeClassifier
from tests.predictors import dots, hashed, method, study


def net(scale: float = 4.0) -> OdeClassifier:
    """Two seeds whose field bends by the scale."""
    layers = [Linear(2, *size) for size in ((5, 6), (7, 4), (4, 4))]
    for i, layer in enumerate(layers):
        layer.initialise([torch.Generator().manual_seed(10 * i + k) for k in (0, 1)])
        with torch.no_grad():
            layer.weight.mul_(scale)
    return OdeClassifier(layers, 1.0, (1e-9, 1e-9)).requires_grad_(False)


def rows() -> ArrayRows:
    data = dots().split("train")
    arrays = {name: torch.from_numpy(x) for name, x in data.items()}
    return ArrayRows(torch.empty(0), "dots", "ab", (0, 1), arrays=arrays)


def unroll(**changes: Any) -> Any:
    return build(method("compress", "unroll", **changes), "compress.unroll")


def error(small: Any, policy: Any) -> float:
    exact, given = policy.answer(rows().arrays), small.answer(rows().arrays)
    size = exact.square().mean((1, 2)).sqrt()
    return float(((given - exact).square().mean((1, 2)).sqrt() / size).max())


def test_it_takes_the_fewest_steps_that_are_exact_enough():
    policy = net()
    small, report = unroll(error=1e-4).compress(policy, rows())
    assert small.steps > 1
    assert error(small, policy) <= 1e-4
    fewer = type(small)(list(small.layers), small.end, small.steps - 1)
    assert error(fewer, policy) > 1e-4
    assert f": {small.steps}" in report["calibration"]["what"]
    assert report["bytes_weights"] == report["bytes_weights_before"]


def test_an_easier_field_needs_fewer_and_so_a_smaller_file():
    hard, easy = (unroll(error=1e-4).compress(net(s), rows())[0] for s in (6.0, 1.0))
    assert easy.steps < hard.steps
    sizes = [len(build_predictor(n, 0).SerializeToString()) for n in (easy, hard)]
    assert sizes[0] < sizes[1]


def test_steps_that_never_suffice_are_refused():
    with pytest.raises(RefusedError, match="after 1 steps, expected at most 1e-12"):
        unroll(error=1e-12, most=1).compress(net(), rows())


def test_another_network_is_refused():
    from tests.predictors import classifier

    with pytest.raises(RefusedError, match="found PlainPredictor, expected one Unroll"):
        unroll().compress(classifier(), rows())


@pytest.mark.parametrize("unrolled", [False, True])
def test_the_file_is_the_network(unrolled: bool, tmp_path: Path):
    study(tmp_path)
    policy: Any = net()
    if unrolled:
        policy, _ = unroll().compress(policy, rows())
    given = {name: np.tile(x.T, 17).T for name, x in dots().arrays.items()}
    for k in (0, 1):
        contract = predictor_contract(policy, k, hashed(tmp_path, policy), "exact")
        model = build_predictor(policy, k).SerializeToString()
        file = OnnxPredictor(model, contract, "exact")
        draw = np.random.default_rng(0)
        told = check_predictor_parity(
            Path("x.onnx"), policy, k, file, given, draw, 1e-4
        )
        assert told["max"] < (1e-4 if unrolled else 1e-12)
        assert ("evaluations" in contract) == unrolled
    alone = take(policy, 1).answer(rows().arrays)
    assert torch.allclose(alone[0], policy.answer(rows().arrays)[1], atol=1e-6)


@pytest.mark.parametrize("name", ["w8", "gptq4"])
def test_weights_of_a_field_can_be_rounded(name: str):
    compressor = build(method("compress", name, block=16), f"compress.{name}")
    wide = OdeClassifier(
        [Linear(2, *size) for size in ((65, 64), (65, 64), (64, 10))], 1.0, (1e-6, 1e-6)
    )
    for i, layer in enumerate(wide.layers):
        layer.initialise([torch.Generator().manual_seed(i + k) for k in (0, 9)])
    data = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    given = ArrayRows(torch.empty(0), "d", "ab", (0, 1), arrays={"image": data})
    small, report = compressor.compress(wide, given)
    assert report["bytes_weights"] < 0.4 * report["bytes_weights_before"]
    apart = (small.answer({"image": data}) - wide.answer({"image": data})).abs()
    assert 0 < float(apart.max()) < 0.5
