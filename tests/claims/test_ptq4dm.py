"""What PTQ4DM's claim looks at, and the bed that makes its arms."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import tasks.beds.ptq4dm.arms as room
from tasks.artifacts.evaluation import Episodes
from tasks.beds.ptq4dm.arms import Bed, Found
from tasks.beds.ptq4dm.networks import (
    ARMS,
    Settings,
    calibrated,
    data,
    distance,
    drawn,
    fresh_states,
    near_and_mean,
    noise_errors,
    quantiles,
    sampled,
    trained,
)
from tasks.claims.engine.results import Results
from tasks.claims.ptq4dm import PTQ4DM, PTQ4DMClaimParams, of_scores
from tasks.compress.ptq4dm.states import call, call_times
from tasks.nets.policy import take
from tests.claims.results_files import RETURNS, write_scores
from tests.nets.diffusions import diffusion

SMALL: dict[str, Any] = {
    "networks": [5],
    "calibrations": [6, 7],
    "times": 12,
    "hidden": [12, 12],
    "updates": 20,
    "batch": 32,
    "states": 48,
    "calls": 6,
    "second_calls": 4,
    "samples": 40,
    "chains": 8,
    "redraws": 2,
}


def claim(**changed: Any) -> PTQ4DM:
    block = yaml.safe_load(Path("params/claims/ptq4dm.yaml").read_text("utf-8"))
    return PTQ4DM(PTQ4DMClaimParams.parse(block | changed, "claim.ptq4dm"))


def settings(**changed: Any) -> Settings:
    return claim(**(SMALL | changed)).params.settings()


RESULTS = Results({"study": {"seeds": [0]}, "evaluate": {"returns": RETURNS}})
PAPER = {"noise": 0.5, "data": 0.4, "noisy": 0.6, "ndtc": 0.2, "eight": 0.11}


def checks(**changed: float) -> list[str]:
    """Verdicts of the bed if arms err by about so much at 4 bits, float by 0.1."""
    told, draw = {**PAPER, **changed}, np.random.default_rng(0)

    def table(mean: float) -> list[list[float]]:
        found: list[list[float]] = (mean + 0.01 * draw.normal(size=(2, 3))).tolist()
        return found

    cells = {}
    for bits in (8, 4):
        for arm in ARMS:
            mean = told.get(arm, 0.3)
            if (arm, bits) == ("ndtc", 8):
                mean = told["eight"]
            names = ("near", "mean", "ddim", "unipc")
            cells[arm, bits] = {name: table(mean) for name in names}
    floats = {"ddim": [[0.1, 0.05, 0.15]] * 2, "unipc": [[0.1, 0.05, 0.15]] * 2}
    inputs = {f"layer 1 at t = {t}": [-1.0, 0, 2] for t in (1, 19, 9)}
    made = claim(bits=[8, 4])
    found, figures = made.of_bed(RESULTS, Found(cells, floats, inputs))
    assert len({figure.name for figure in figures}) == len(figures)
    ends = [figure.name.split()[-1] for figure in figures[-3:]]
    assert ends == ["1", "9", "19"]
    assert figures[-1].low == -1
    assert figures[-1].high == 2
    return [check.verdict for check in found]


def test_what_the_paper_says_is_shown():
    assert checks() == ["shown"] * 7


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"noise": 0.1}, [0, 3]),
        ({"data": 0.1}, [1, 4]),
        ({"noisy": 0.1}, [2, 5]),
        ({"ndtc": 0.45}, [1, 4]),
        ({"eight": 0.3}, [6]),
    ],
)
def test_each_check_can_fail(changed: dict[str, float], missing: list[int]):
    found = checks(**changed)
    assert [i for i, verdict in enumerate(found) if verdict != "shown"] == missing


@pytest.mark.parametrize(("lost", "verdict"), [(0.0, "shown"), (5.0, "not shown")])
def test_scores_are_compared_sampler_by_sampler(
    lost: float, verdict: str, tmp_path: Path
):
    results = write_scores(tmp_path, {("d", "dql"): 50.0})
    place = tmp_path / "evaluations/d/dql"
    plain = (place / "float32/episodes.parquet").read_bytes()
    table = Episodes.read(place / "float32/episodes.parquet")
    for ending in ("-ddim-5", "-unipc-5"):
        folder = place / f"float32{ending}"
        folder.mkdir()
        (folder / "episodes.parquet").write_bytes(plain)
    for ending in ("", "-ddim-5", "-unipc-5"):
        folder = place / f"ptq4dm{ending}"
        folder.mkdir()
        returns = table.returns - 2 * lost
        fields = {**vars(table), "returns": returns}
        Episodes(**fields).write(folder / "episodes.parquet")
    sampled = {"policies": ["dql"], "samplers": ["ddim", "unipc"], "steps": [5]}
    results.params["study"].update(policies=["dql"], sampled=sampled)
    found, figures = of_scores(results)
    assert [check.verdict for check in found] == [verdict] * 2
    assert found[0].figure.value == pytest.approx(-lost)
    assert found[0].bound < 0
    told = {figure.name: figure.value for figure in figures}
    assert told["dql, ptq4dm-ddim-5"] == pytest.approx(50 - lost, abs=0.5)
    half = told["half of dql's interval-ddim-5"]
    assert half == pytest.approx(-found[0].bound)


def test_arms_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "KEPT", tmp_path / "kept")
    found = Bed(settings(), (4,)).run()
    assert set(found.cells) == {(arm, 4) for arm in ARMS}
    for one in found.cells.values():
        assert set(one) == {"near", "mean", "ddim", "unipc"}
        for table in one.values():
            assert np.array(table).shape == (1, 2)
            assert np.isfinite(table).all()
    assert np.array(found.floats["unipc"]).shape == (1, 2)
    assert len(found.inputs) == 9  # three layers, three times
    by_arm = {arm: one["mean"][0] for (arm, _), one in found.cells.items()}
    assert len({tuple(told) for told in by_arm.values()}) == len(ARMS)

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(room, "trained", never)
    assert Bed(settings(), (4,)).run() == found
    with pytest.raises(AssertionError):
        Bed(settings(updates=21), (4,)).run()


def test_the_network_learns_the_ring():
    given = settings(updates=150, batch=128, hidden=[32, 32], rate=5e-3, samples=1000)
    some, none = (trained(settings(**vars(given) | {"updates": n})) for n in (150, 1))
    floor = distance(data(1000, 1), data(1000, 2))
    far = []
    for policy in (some, none):
        by = sampled(take(policy, 0), "ddim", 6)
        with torch.no_grad():
            far.append(distance(drawn(by, given, 0), data(1000, 1)))
    assert floor < far[0] < 0.7 * far[1]


def test_errors_are_relative_and_by_time():
    policy = take(diffusion(4), 0)
    rows = torch.randn(9, 11)
    fresh = fresh_states(policy, rows, 3)
    assert fresh.time[0].tolist() == sorted([0.0, 1, 2, 3] * 9, reverse=True)
    small = calibrated(policy, rows.repeat(4, 1), "ndtc", 4, settings(), 1)
    errors = noise_errors(policy, small, fresh)
    wanted, got = (call(one, fresh)[0] for one in (policy, small))
    last = slice(27, None)  # of time 0
    off = (got[last] - wanted[last]).norm() / wanted[last].norm()
    assert errors[-1] == pytest.approx(float(off))
    near, mean = near_and_mean(errors)
    assert near == pytest.approx(float(errors[-1]))
    assert mean == pytest.approx(float(errors.mean()))
    assert noise_errors(policy, policy, fresh).max() == 0
    told = quantiles(policy, fresh)
    assert list(told)[:3] == [f"layer 0 at t = {t}" for t in (3, 1, 0)]
    assert all(one[0] < one[1] < one[2] for one in told.values())
    assert call_times(sampled(policy, "ddim", 2)) == [3, 1]


def test_the_distance_is_that_of_shifted_clouds():
    cloud = data(4000, 0)
    assert distance(cloud, cloud) == 0
    shifted = distance(cloud, cloud + torch.tensor([0.3, 0.0]))
    assert shifted == pytest.approx(0.3 * 2 / math.pi, rel=0.01)  # mean |cos|


def test_data_are_eight_clusters_on_a_ring():
    found = data(8000, 1)
    assert found.norm(dim=1).mean() == pytest.approx(0.7, abs=0.01)
    angle = torch.atan2(found[:, 1], found[:, 0]) / (math.tau / 8)
    modes = torch.bincount(angle.round().long() % 8, minlength=8)
    assert modes.min() > 850
    assert torch.equal(found, data(8000, 1))
