"""Schedules, grids and sums: what every sampler stands on."""

import json
import math

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.export.cores.ddim_plan import ddim
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import GridParams, make_nodes, nodes_at, summed
from tasks.nets.sampling import Plan
from tests.export.samplers import (
    COSINE,
    LINEAR,
    METHODS,
    TABLE,
    in_onnx,
    make,
    noise,
    sample,
)

GRID = {
    "grid": "t", "power": 1.0, "floor": 1e-4, "end": "table", "times": "whole",
    "clip": False,
}  # fmt: skip


def grid(**changes) -> GridParams:
    return GridParams.parse(GRID | changes, "export.ddim")


def test_sampling_begins_where_enough_of_the_data_is_left():
    assert COSINE.table[-1] < 1e-6
    for schedule in (COSINE, LINEAR):
        start = schedule.start(1e-4)
        assert schedule.table[start] >= 1e-4 > schedule.table[start + 1]
        for name in METHODS:
            first = make(name).plan(schedule, 4).steps[0]
            assert first.time == start, name
    assert Schedule.of([0.9, 0.5]).start(1e-4) == 1
    with pytest.raises(RefusedError, match="export.floor: found 0.95"):
        Schedule.of([0.9, 0.5]).start(0.95)


def test_between_times_abar_is_linear_and_time_of_rho_inverts_it():
    assert LINEAR.abar(-1.0) == 1
    middle = (LINEAR.table[3] + LINEAR.table[4]) / 2
    assert LINEAR.abar(3.5) == pytest.approx(middle, rel=1e-12)
    times = np.linspace(-1, 999, 777)
    np.testing.assert_allclose(LINEAR.time(LINEAR.rho(times)), times, atol=1e-6)


def test_grids_are_spaced_as_they_say():
    top = LINEAR.start(1e-4)
    for power in (1.0, 2.0, 3.0):
        nodes = make_nodes(LINEAR, 6, grid(power=power, times="any"))
        gaps = np.diff((nodes.time + 1) ** (1 / power))
        np.testing.assert_allclose(gaps, gaps[0], rtol=1e-9)
        assert nodes.time[0] == top
        assert nodes.time[-1] == 0
    rho = make_nodes(LINEAR, 6, grid(grid="log", times="any")).rho
    np.testing.assert_allclose(rho[1:] / rho[:-1], rho[1] / rho[0], rtol=1e-6)
    rho = make_nodes(LINEAR, 6, grid(grid="rho", power=7.0, times="any")).rho
    np.testing.assert_allclose(np.diff(rho, 2) > 0, True)
    gaps = np.diff(rho ** (1 / 7))
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-6)


def test_clean_ends_without_noise():
    nodes = make_nodes(LINEAR, 5, grid(end="clean"))
    assert nodes.clean
    assert nodes.time.tolist()[-1] == -1
    assert (nodes.alpha[-1], nodes.sigma[-1], nodes.lam[-1]) == (1, 0, math.inf)
    for kind in ("log", "rho"):
        nodes = make_nodes(LINEAR, 5, grid(end="clean", grid=kind, power=7.0))
        assert nodes.time.tolist()[-2:] == [0, -1]
        assert nodes.steps == 5
        assert make_nodes(LINEAR, 1, grid(end="clean", grid=kind)).steps == 1


@pytest.mark.parametrize("kind", ["t", "log", "rho"])
@pytest.mark.parametrize("end", ["table", "clean"])
@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, 7.0])
def test_whole_times_never_repeat(kind: str, end: str, power: float):
    for schedule in (COSINE, Schedule.of([0.9, 0.7, 0.4, 0.2, 0.05])):
        most = schedule.start(1e-4) + (1 if end == "clean" else 0)
        for steps in range(1, most + 1):
            params = grid(grid=kind, end=end, power=power)
            nodes = make_nodes(schedule, steps, params)
            assert nodes.steps == steps
            assert np.all(nodes.time == np.rint(nodes.time))
            assert np.all(np.diff(nodes.time) < 0)
            assert nodes.time[0] == schedule.start(1e-4)
        with pytest.raises(RefusedError, match="whole times up to the start"):
            make_nodes(schedule, most + 1, params)


@pytest.mark.parametrize(
    "table", [[], [1.0, 0.5], [0.5, 0.0], [0.5, math.nan], [0.5, 0.6], [1.5]]
)
def test_a_table_outside_0_and_1_is_refused(table: list[float]):
    with pytest.raises(RefusedError, match="policy: abar: found"):
        Schedule.of(table)


@pytest.mark.parametrize(
    "times", [[5], [3, 3], [1, 2], [1000, 0], [3, -0.5], [3, -1, -2], [3, math.nan]]
)
def test_nodes_that_do_not_fall_inside_the_schedule_are_refused(times: list[float]):
    with pytest.raises(RefusedError, match="export.grid"):
        nodes_at(LINEAR, times)


def test_steps_and_weights_that_make_no_plan_are_refused():
    for name in METHODS:
        with pytest.raises(RefusedError, match="study.sampled.steps: found 0"):
            make(name).plan(LINEAR, 0)
    with pytest.raises(RefusedError, match="finite numbers"):
        summed("x", ("y", math.nan))
    with pytest.raises(RefusedError, match=r"export.ddim.power: found 0.0"):
        make("ddim", power=0.0)
    # so dense at the clean end that a call would fall below the table
    with pytest.raises(RefusedError, match="times: whole"):
        make("ddim", power=4.0, times="any").plan(COSINE, 20)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("end", ["table", "clean"])
def test_a_plan_calls_as_often_as_asked_and_survives_its_spec(name: str, end: str):
    for calls in (3, 5, 10):
        plan = make(name, end=end).plan(COSINE, calls)
        assert plan.calls == calls
        fresh = calls - (end == "clean") if name == "ddpm" else 0
        assert plan.noises == 1 + fresh
        again = Plan.from_spec(json.loads(json.dumps(plan.spec())))
        assert again == plan
        assert again.sha256 == plan.sha256
        assert plan.sha256 != make(name, end=end).plan(COSINE, calls + 1).sha256


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("clip", [False, True])
def test_onnx_equals_torch(name: str, rows: int, clip: bool):
    plan = make(name, clip=clip).plan(LINEAR, 6)
    got, wanted = in_onnx(plan, noise(plan.noises, rows))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)


def test_ddim_with_eta_1_is_ancestral_sampling():
    """The posterior's mean and variance, as equations 6 and 7 of DDPM have them."""
    nodes = make_nodes(LINEAR, 2, grid())
    plan = ddim(nodes, "x", eta=1.0)
    here, after = nodes.alpha[0] ** 2, nodes.alpha[1] ** 2
    kept = here / after
    weights = dict(plan.steps[1].terms)
    wanted = {
        "data0": math.sqrt(after) * (1 - kept) / (1 - here),
        "noise0": math.sqrt(kept) * (1 - after) / (1 - here),
        "noise1": math.sqrt((1 - after) / (1 - here) * (1 - kept)),
    }
    assert weights == pytest.approx(wanted, rel=1e-10)


def test_the_control_is_ddim_with_all_the_noise():
    ours = sample(make("ddpm", **TABLE).plan(COSINE, 7))
    theirs = sample(make("ddim", eta=1.0, **TABLE).plan(COSINE, 7))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
