"""What PTQ4DM's claim looks at, and the bed that makes its arms."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.policy import save_policy
from tasks.beds.ptq4dm.networks import (
    ARMS,
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
from tasks.claims.ptq4dm import of_bed, of_policy, of_scores
from tasks.compress.ptq4dm.states import call, call_times
from tasks.nets.policy import take
from tests.artifacts.made_up import BLOCK, episode
from tests.beds.harness import bed, block, claim, made_up, results, run
from tests.claims.results_files import EPISODES, SEEDS, evaluated, write_scores
from tests.nets.diffusions import diffusion
from tests.worlds.harness import load

SMALL: dict[str, Any] = {
    "networks": [5, 6],
    "calibrations": [6, 7],
    "network": block("ptq4dm")["network"] | {"actor_hidden": [12, 12], "steps": 12},
    "updates": 20,
    "batch": 32,
    "states": 48,
    "calls": 6,
    "second_calls": 4,
    "samples": 40,
    "chains": 8,
    "redraws": 2,
}


DDIM = block("ptq4dm")["samplers"]["ddim"]


def settings(hidden: tuple[int, ...] = (12, 12), **changed: Any) -> Any:
    network = SMALL["network"] | {"actor_hidden": list(hidden)}
    return bed("ptq4dm", **(SMALL | {"network": network} | changed)).params.settings()


PAPER = {"noise": 0.5, "data": 0.4, "noisy": 0.6, "ndtc": 0.2, "eight": 0.11}


def gaps(**changed: float) -> list[float]:
    """The bed's comparisons if arms err by about so much at 4 bits, float by 0.1."""
    errors, draw = {**PAPER, **changed}, np.random.default_rng(0)
    names = ("near", "mean", "ddim", "unipc")

    def table(mean: float) -> list[list[float]]:
        found: list[list[float]] = (mean + 0.01 * draw.normal(size=(2, 3))).tolist()
        return found

    floats = {"ddim": [[0.1, 0.05, 0.15]] * 2, "unipc": [[0.1, 0.05, 0.15]] * 2}
    inputs = {f"layer 1 at t = {t}": [-1.0, 0, 2] for t in (1, 19, 9)}
    made = bed("ptq4dm", bits=[8, 4])
    jobs: dict[str, Any] = {}
    for job in made.jobs():
        arm, bits = job.settings.get("arm"), job.settings.get("bits")
        mean = errors.get("eight" if (arm, bits) == ("ndtc", 8) else arm, 0.3)
        result: Any = {
            "float": lambda: {"floats": floats, "inputs": inputs},
            "arm": lambda mean=mean: {name: table(mean) for name in names},
            "policy": lambda: {"near": 0.2, "mean": 0.1},
        }[job.settings["kind"]]()
        jobs[job.name] = job.settings, result
    left = made_up(vars(made.params), jobs)
    figures = of_bed(left)
    words = {figure.name: figure.value for figure in of_policy(left)}
    assert words["dql, ndtc, 4 bits, near t = 0"] == pytest.approx(0.2)
    assert len(words) == 8 * 2
    assert len({figure.name for figure in figures}) == len(figures)
    ends = [figure.name.split("t = ")[1] for figure in figures[-3:]]
    assert ends == ["19, 0.1 %", "19, median", "19, 99.9 %"]
    assert [figure.value for figure in figures[-3:]] == [-1, 0, 2]
    return [figure.value for figure in figures[:8]]


def test_arms_are_subtracted_from_each_other():
    gap = [0.3, 0.2, 0.4]
    assert gaps() == pytest.approx([np.log(2.5), *gap, *gap, -0.2], abs=0.2)


def test_scores_are_compared_sampler_by_sampler(tmp_path: Path):
    results = write_scores(tmp_path, {("d", "dql"): 50.0})
    place, size = tmp_path / "evaluations/d/dql", (SEEDS, EPISODES)
    table = Episodes.read(place / "float32/episodes.parquet")
    for ending in ("-ddim-5", "-unipc-5"):
        folder = place / f"float32{ending}"
        folder.mkdir()
        write_evaluation(folder, table, evaluated("d", "dql", folder.name, *size))
    for ending in ("", "-ddim-5", "-unipc-5"):
        folder = place / f"ptq4dm{ending}"
        folder.mkdir()
        fields = {**vars(table), "returns": table.returns - 10}
        metrics = evaluated("d", "dql", folder.name, *size)
        write_evaluation(folder, Episodes(**fields), metrics)
    sampled = {"policies": ["dql"], "samplers": ["ddim", "unipc"], "steps": [5]}
    results.params["study"].update(policies=["dql"], sampled=sampled)
    told = {figure.name: figure.value for figure in of_scores(results)}
    assert told["dql, ptq4dm-ddim-5"] == pytest.approx(45, abs=0.5)
    for ending in ("", "-ddim-5", "-unipc-5"):
        assert told[f"dql, ptq4dm{ending} - float"] == pytest.approx(-5)


def write_study(root: Path) -> dict[str, Any]:
    """A dataset and two diffusion policies, where the bed's block says them."""
    folder, place = root / "d-v0", root / "dql"
    place.mkdir()
    world = load("hopper", ref_min=0.0, ref_max=10.0)
    episodes = [episode(seed, 20) for seed in range(4)]
    write_dataset(folder, folder.name, episodes, world, BLOCK)
    about = {"seeds": [3, 8], "learner": "dql", "dataset": "d", "world": "hopper"}
    origin = {**about, "dataset_sha256": "0" * 64, "env_id": "x", "step_seconds": 1.0}
    origin["made_by"] = []
    save_policy(place, diffusion(4, (3, 8)), origin)
    needs = {"needs_dataset": str(folder), "needs_policies": str(place)}
    return {**needs, "policy_seeds": [3, 8]}


def test_its_claim_looks_at_the_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = {**SMALL, **write_study(tmp_path), "bits": [4]}
    left = run("ptq4dm", tmp_path, monkeypatch, **small)
    of_kind: dict[str, list[Any]] = {}
    for job in left.jobs:
        of_kind.setdefault(job.settings["kind"], []).append(job)
    assert [job.settings["arm"] for job in of_kind["arm"]] == list(ARMS)
    for job in of_kind["arm"]:
        assert set(job.result) == {"near", "mean", "ddim", "unipc"}
        for table in job.result.values():
            assert np.array(table).shape == (2, 2)
            assert np.isfinite(table).all()
    assert len({str(job.result["mean"]) for job in of_kind["arm"]}) == len(ARMS)
    (network,) = of_kind["float"]
    assert np.array(network.result["floats"]["unipc"]).shape == (2, 2)
    assert len(network.result["inputs"]) == 9  # three layers, three times
    assert len(of_kind["policy"]) == 2 * 8
    assert len({str(job.result) for job in of_kind["policy"]}) == 2 * 8
    lists = {"datasets": ["d"], "sampled": {"samplers": [], "steps": []}}
    outcome = claim("ptq4dm", n=2).outcome(results(tmp_path / "data", **lists))
    assert outcome.verdict == "bed refused"
    names = {figure.name for figure in outcome.figures}
    assert len(names) == 3 + 3 + 1 + 2 + 4 * len(ARMS) + 3 * 9 + 16


def test_the_network_learns_the_ring():
    own = {"batch": 128, "hidden": (32, 32), "rate": 5e-3, "samples": 1000}
    given = settings(**own)
    some, none = (trained(settings(**own, updates=n)) for n in (150, 1))
    floor = distance(data(1000, 1), data(1000, 2))
    far = []
    for policy in (some, none):
        by = sampled(take(policy, 0), "ddim", DDIM, 6)
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
    assert call_times(sampled(policy, "ddim", DDIM, 2)) == [3, 1]


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
