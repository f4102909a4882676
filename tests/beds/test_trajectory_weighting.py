"""The bed of trajectory weighting, small; and what beds of learners share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.rows import load_transitions
from tasks.beds.cores.offline import OwnRows, joined, transitions
from tasks.beds.trajectory_weighting import ARMS
from tasks.train.bc import BC
from tasks.train.cores.cloning import CloningParams
from tasks.train.engine.minibatches import BLOCK
from tasks.train.engine.table import spaces
from tests.artifacts.made_up import BLOCK as WORLD
from tests.artifacts.made_up import episode
from tests.beds.harness import bed
from tests.worlds.harness import load

torch.set_num_threads(1)


def test_flat_arrays_are_those_of_the_written_dataset(tmp_path: Path):
    world = load("hopper")
    episodes = [episode(seed, 20 + seed) for seed in range(3)]
    folder = tmp_path / "d-v0"
    write_dataset(folder, "d-v0", episodes, world, WORLD)
    written, direct = load_transitions(folder), transitions(episodes, world, "d")
    for name in ("observation", "action", "reward", "next_observation", "terminated"):
        assert np.array_equal(getattr(written, name), getattr(direct, name)), name
    assert np.array_equal(written.episode, direct.episode)
    assert direct.returns == pytest.approx(written.returns)
    assert direct.observation_mean == pytest.approx(written.observation_mean, abs=1e-6)
    assert direct.observation_std == pytest.approx(written.observation_std, rel=1e-5)


def test_each_seed_draws_from_its_own_rows():
    world = load("hopper")
    parts = joined(
        [transitions([episode(k, 10 + 5 * k)], world, "d") for k in range(3)]
    )
    assert parts.ends == (0, 10, 25, 45)
    assert parts.data.episode[[0, 10, 25]].tolist() == [0, 1, 2]
    given = CloningParams(actor_hidden=(8,), actor_rate=1e-3)
    learner = BC(given, spaces(parts.data), (3, 4, 5), 10)
    rows = OwnRows(parts, learner, 64).rows(0).view(BLOCK, 3, 64)
    for k, (first, end) in enumerate(zip(parts.ends, parts.ends[1:], strict=False)):
        assert (rows[:, k].min(), rows[:, k].max()) == (first, end - 1)
    weights = [np.eye(n)[n - 1] for n in (10, 15, 20)]
    rows = OwnRows(parts, learner, 64, weights).rows(0).view(BLOCK, 3, 64)
    assert rows.unique().tolist() == [9, 24, 44]


def test_the_bed_has_every_arm_and_a_mixture_a_seed(tmp_path: Path):
    parts = [{"policy": "random", "steps": 600}, {"policy": "expert", "steps": 50}]
    mixtures = {"few": {**bed_block(), "parts": parts}}
    small = {"seeds": [0, 1], "updates": 3, "batch": 8, "episodes": 2}
    made = bed("trajectory_weighting", mixtures=mixtures, **small)
    jobs = {job.settings["arm"]: job for job in made.jobs()}
    assert tuple(jobs) == ARMS
    made.world = load("hopper", ref_min=0.0, ref_max=3000.0)
    made.parts, made.good = {"few": []}, {"few": []}
    for k in (0, 1):
        data, good = made.recorded("few", k)
        assert good.sum() == pytest.approx(1)
        made.parts["few"].append(data)
        made.good["few"].append(good)
    first, second = made.parts["few"]
    assert not np.array_equal(first.observation[:20], second.observation[:20])
    even = made.weights("even", "few")[0]
    assert even.max() == pytest.approx(even.min(), rel=1e-6)
    assert made.weights("uniform", "few") is None
    for arm in ("aw", "bc"):
        result = made.run(jobs[arm], lambda _: None)
        assert {len(result[name]) for name in ("score", "noise", "fell", "data")} == {2}


def bed_block() -> dict[str, Any]:
    """A mixture's block, without its parts."""
    block: dict[str, Any] = bed("trajectory_weighting").params.mixtures
    return next(iter(block.values()))
