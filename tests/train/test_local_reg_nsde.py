"""The SDE form: what its gradient goes through, and its file solved outside of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.onnx_predictor import (
    OnnxPredictor,
    build_predictor,
    predictor_contract,
)
from tasks.artifacts.params import build
from tasks.artifacts.predictor_parity import check_predictor_parity
from tasks.evaluate.engine.answers import answers
from tasks.nets.heun import CELLS, path, solve
from tasks.train.engine.loop import settle, train
from tests.predictors import dots, hashed, method, study

SMALL = {"hidden": 6, "tolerance": 0.02, "test_tolerance": 0.02}


def make(seeds: tuple[int, ...] = (0, 1), updates: int = 3, **changes: Any) -> Any:
    block = method("train", "local_reg_nsde", **{**SMALL, **changes})
    data = dots().split("train")
    return build(block, "train", data=data, seeds=seeds, updates=updates)


def gone(learner: Any) -> tuple[Any, torch.Tensor, Any]:
    image = torch.from_numpy(dots().split("train")["image"][:10]).view(2, 5, 4)
    normal = torch.randn((2, CELLS, 20), generator=torch.Generator().manual_seed(0))
    fields = learner.flat(image.shape)
    with torch.no_grad():
        w = path(normal, 1.0)
        way = solve(fields, image.flatten(1), w, 1.0, learner.tolerance, keep=True)
    return fields, image, way


def test_the_way_with_a_gradient_is_the_way_that_was_solved():
    learner = make()
    fields, image, way = gone(learner)
    end = learner.again(fields, image.flatten(1), way)
    assert torch.allclose(end, way.state, atol=1e-6)
    assert end.requires_grad


def test_the_estimate_is_that_of_a_step_taken_and_its_state_is_a_constant():
    learner = make()
    fields, image, way = gone(learner)
    image.requires_grad_()
    values = {}
    for share in np.linspace(0, 0.999, 40):
        r = learner.probed(fields, way, np.array([share, share]))
        values[round(float(r.detach()[0]), 9)] = r
    taken = sum(bool(on[0]) for *_, on in way.steps)
    assert len(values) == taken > 1
    value = learner.probed(fields, way, np.array([0.1, 0.9])).sum()
    own = list(learner.net.layers[:3].parameters())
    by_x, *by_theta = torch.autograd.grad(value, [image, *own], allow_unused=True)
    assert by_x is None
    assert any(float(g.abs().max()) > 0 for g in by_theta if g is not None)


def test_a_large_weight_makes_the_solver_ask_less():
    settle()
    lasts = []
    for weight in (0.0, 1e4):
        learner = make((0,), 40, weight=weight)
        curves = train(learner, dots(), 40, 8)
        lasts.append(curves.rows[-1][curves.columns.index("evaluations")])
    assert lasts[1] < 0.8 * lasts[0]


def test_seed_k_alone_is_seed_k_of_a_stack():
    settle()
    both, alone = make((0, 5)), make((5,))
    train(both, dots(), 3, 8)
    train(alone, dots(), 3, 8)
    for two, one in zip(both.parameters(), alone.parameters(), strict=True):
        assert torch.allclose(two[1], one[0], atol=1e-5)


def test_the_file_is_the_network_and_is_solved_outside(tmp_path: Path):
    study(tmp_path)
    net = make().predictor()
    contract = predictor_contract(net, 1, hashed(tmp_path, net), "exact")
    file = OnnxPredictor(build_predictor(net, 1).SerializeToString(), contract, "exact")
    rows = {name: np.tile(x.T, 17).T for name, x in dots().arrays.items()}
    draw = np.random.default_rng(0)
    check_predictor_parity(Path("x.onnx"), net, 1, file, rows, draw, 1e-5)
    assert contract["solve"]["kind"] == "sde"
    file.calls = 0
    data = dots(40).arrays
    metric = build(method("evaluate", "evaluations"), "evaluate.evaluations")
    counted = metric.values(file, data)
    assert file.calls == counted.sum() + 2
    logits = answers(file, data)["logits"]
    assert logits.shape == (40, 4)
    assert np.array_equal(logits, answers(file, data)["logits"])


def test_parameters_that_cannot_be_are_refused():
    from tasks.artifacts.errors import RefusedError

    with pytest.raises(RefusedError, match="train.tolerance"):
        make(tolerance=0.0)
