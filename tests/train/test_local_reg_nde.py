"""Local regularisation: what its gradient goes through, and what it leaves alone."""

from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.nets.tsit5 import Tolerance, first_size, scaled_error, step
from tasks.train import Rows
from tasks.train.engine.loop import settle, train
from tasks.train.engine.slices import in_slices
from tasks.train.local_reg_nde import LocalRegNde, LocalRegNdeParams
from tasks.train.local_reg_nde.adjoint import flat_field
from tasks.train.local_reg_nde.probe import begun, biased, of_step, probed, unbiased
from tests.predictors import dots, method

SMALL = {"hidden": 6, "rate": 0.01}


def make(seeds: tuple[int, ...] = (0, 1), updates: int = 4, **changes: Any) -> Any:
    block = method("train", "local_reg_nde", **{**SMALL, **changes})
    data = dots().split("train")
    return build(block, "train", data=data, seeds=seeds, updates=updates)


def batch(seeds: int = 2, rows: int = 5) -> Rows:
    data = dots().split("train")
    image, label = (
        torch.from_numpy(data[n][: seeds * rows]).view(seeds, rows, -1)
        for n in ("image", "label")
    )
    noise = {"point": torch.linspace(0.3, 0.7, seeds)}
    return Rows({"image": 3 * image, "label": label[..., 0]}, noise)


def solved(learner: Any) -> tuple[Any, torch.Tensor]:
    """The flat field and the images, after a way forward."""
    image = batch().arrays["image"].to(next(learner.parameters()).dtype)
    learner.solver.forward(image)
    return flat_field(learner.net.field, image.shape), image


def test_the_adjoint_is_the_gradient_of_the_steps():
    learner = make(tolerance=1e-9).double()
    flat, image = solved(learner)
    image.requires_grad_()
    inputs = [image, *learner.solver.parameters]
    end = learner.solver(image)
    ours = torch.autograd.grad(end.square().sum(), inputs)
    again, _ = learner.replayed(flat, image, learner.way)
    assert torch.allclose(again, end, atol=1e-12)
    theirs = torch.autograd.grad(again.square().sum(), inputs)
    for one, other in zip(ours, theirs, strict=True):
        assert float((one - other).abs().max()) < 1e-6 * float(other.abs().max())


def test_the_solver_is_one_node_of_the_graph():
    """The black box stays closed: no step of it is differentiated."""
    learner = make()
    _, image = solved(learner)
    end = learner.solver(image)
    assert type(end.grad_fn).__name__.startswith("_Solved")
    assert all(
        "Accumulate" in type(node).__name__ for node, _ in end.grad_fn.next_functions
        if node is not None
    )  # fmt: skip


@pytest.mark.parametrize("estimate", ["error", "stiffness"])
def test_the_estimate_is_the_solvers_own_by_hand(estimate: str):
    learner = make()
    flat, _ = solved(learner)
    t, u = biased(learner.way, np.array([0.6, 0.2]))
    k1 = flat(u, t)
    tolerance = learner.tolerance
    h = first_size(flat, t, u, k1, 1 - t, tolerance)
    value = probed(flat, (t, u), 1.0, tolerance, estimate)
    u_new, k, before = step(flat, t, u, h, k1)
    for seed in range(2):
        if estimate == "error":
            q = scaled_error(u, u_new, k, h, tolerance)[seed]
            right = h[seed] * q.square().mean().sqrt()
        else:
            top = (k[6] - k[5])[seed].square().mean().sqrt()
            right = top / (u_new - before)[seed].square().mean().sqrt() / 3.5068
        assert float(value[seed]) == pytest.approx(right.item(), rel=1e-4)


def test_stiffness_is_0_where_nothing_moves():
    t, u = np.zeros(1), torch.zeros(1, 3)
    still = lambda u, _: 0 * u  # noqa: E731
    given = still, t, u, np.full(1, 0.1), u, Tolerance(1e-3, 1e-3)
    assert float(of_step(*given, "stiffness")) == 0
    assert float(of_step(*given, "error")) == 0


@pytest.mark.parametrize("estimate", ["error", "stiffness"])
def test_the_point_is_a_constant_and_theta_is_not(estimate: str):
    learner = make()
    flat, image = solved(learner)
    image.requires_grad_()
    t, u = unbiased(learner.way, np.array([0.3, 0.7]), 1.0, flat)
    u = u + 0 * image.flatten(1)  # a way back to x, which has to be cut
    value = probed(flat, (t, u), 1.0, learner.tolerance, estimate).sum()
    own = learner.solver.parameters
    by_x, *by_theta = torch.autograd.grad(value, [image, *own], allow_unused=True)
    assert by_x is None
    assert any(float(g.abs().max()) > 0 for g in by_theta)


def test_k_1_and_the_size_are_constants():
    """The gradient by theta is that of stages 2 to 7 at a given k_1 and h."""
    learner = make()
    flat, _ = solved(learner)
    t, u = biased(learner.way, np.array([0.6, 0.2]))
    own = learner.solver.parameters
    ours = torch.autograd.grad(
        probed(flat, (t, u), 1.0, learner.tolerance, "error").sum(), own
    )
    with torch.no_grad():
        k1 = flat(u, t)
        h = first_size(flat, t, u, k1, 1 - t, learner.tolerance)
    value = of_step(flat, t, u, h, k1.clone(), learner.tolerance, "error").sum()
    for one, other in zip(ours, torch.autograd.grad(value, own), strict=True):
        assert torch.equal(one, other)


def test_biased_draws_where_steps_began_and_no_where_else():
    learner = make(tolerance=1e-7)
    _, image = solved(learner)
    starts = [begun(learner.way, k) for k in range(2)]
    times = [{t for t, _ in points} for points in starts]
    assert min(map(len, times)) > 2
    seen: list[set[float]] = [set(), set()]
    for share in np.linspace(0, 0.999, 60):
        t, u = biased(learner.way, np.array([share, share]))
        for k in range(2):
            seen[k].add(float(t[k]))
            if t[k] == 0:
                assert torch.equal(u[k], image.flatten(1)[k])
    assert seen == times
    assert all(max(points) < 1 for points in times)


def test_unbiased_draws_any_time_and_the_state_there():
    learner = make(tolerance=1e-8).double()
    flat, image = solved(learner)
    t, u = unbiased(learner.way, np.array([0.31, 0.87]), 1.0, flat)
    assert t.tolist() == [0.31, 0.87]
    for k in range(2):
        from tasks.nets.tsit5 import solve

        tight = Tolerance(1e-11, 1e-11)
        right = solve(flat, image.flatten(1), (0.0, t[k]), tight).state[k]
        assert torch.allclose(u[k], right, atol=1e-6)


def test_weight_0_is_no_regularisation_to_the_bit():
    """The extra step is computed and thrown away."""
    settle()
    none, zero = make(regularise="none"), make(regularise="local", weight=0.0)
    for learner in (none, zero):
        train(learner, dots(), 4, 8)
    for one, other in zip(none.parameters(), zero.parameters(), strict=True):
        assert torch.equal(one, other)


def test_local_costs_a_step_and_global_is_the_mean_over_the_way():
    learner = make(regularise="global")
    flat, image = solved(learner)
    _, mean = learner.replayed(flat, image, learner.way)
    for k in range(2):
        each = []
        for t, u, taken, h in learner.way.starts:
            if taken[k]:
                given = flat, t, u, h, flat(u, t), learner.tolerance, "error"
                each.append(float(of_step(*given)[k]))
        assert float(mean[k]) == pytest.approx(np.mean(each), rel=1e-3)
    metrics = learner.update(batch(), 0)
    assert torch.allclose(metrics["penalty"], mean, rtol=0.2)


def test_a_large_weight_makes_the_solver_ask_less():
    settle()
    block = method("train", "local_reg_nde", **{**SMALL, "tolerance": 1e-6})
    params = [LocalRegNdeParams.parse({**block, "weight": w}, "t") for w in (0.0, 1e6)]
    data = dots()
    learner = LocalRegNde(in_slices(params, 1), data.split("train"), (0, 0), 60)
    train(learner, data, 60, 8)
    solved(learner)
    plain, eased = learner.way.evaluations
    assert eased < plain


def test_seed_k_alone_is_seed_k_of_a_stack():
    settle()
    both, alone = make((0, 5)), make((5,))
    train(both, dots(), 4, 8)
    train(alone, dots(), 4, 8)
    for two, one in zip(both.parameters(), alone.parameters(), strict=True):
        assert torch.allclose(two[1], one[0], atol=1e-6)


def test_the_weight_fades():
    learner = make(updates=100, weight=2.5, fade=0.4)
    assert learner.faded(0) == 2.5
    assert learner.faded(100) == pytest.approx(1.0)
    assert learner.faded(50) == pytest.approx(2.5 * np.exp(-np.log(2.5) * 0.5))


def test_a_solver_that_gives_up_says_when(monkeypatch: pytest.MonkeyPatch):
    learner = make(tolerance=1e-9, most_steps=2)
    with pytest.raises(RefusedError, match="found 2 steps, and t = 0"):
        learner.update(batch(), 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"end": 0.0}, "train.end: found 0"),
        ({"tolerance": 0.0}, "train.tolerance"),
        ({"test_tolerance": -1.0}, "train.test_tolerance"),
        ({"regularise": "fixed"}, "regularise: found 'fixed'"),
        ({"weight": -1.0}, "train.weight"),
    ],
)
def test_parameters_that_cannot_be_are_refused(change: dict[str, Any], said: str):
    with pytest.raises(RefusedError, match=said):
        make(**change)
