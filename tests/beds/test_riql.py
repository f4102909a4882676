"""The bed of RIQL, small: a corruption a seed, and the arms."""

import numpy as np
import torch

from tests.artifacts.made_up import episode
from tests.beds.harness import bed
from tests.worlds.harness import load

torch.set_num_threads(1)


def test_each_seed_has_a_corruption_of_its_own_and_arms_differ():
    small = {"seeds": [0, 1], "updates": 3, "batch": 8, "episodes": 2}
    made = bed("riql", **small)
    made.world = load("hopper", ref_min=0.0, ref_max=3000.0)
    made.episodes = [episode(seed, 200) for seed in range(2)]
    jobs = {job.name: job for job in made.jobs()}
    assert len(jobs) == 5 + 5 + 1 + 4
    assert [job.settings["arm"] for job in made.jobs()][:5] == ["iql"] * 5
    parts = made.parts("obs")
    assert parts.ends == (0, 400, 800)
    masks = parts.data.attacked.reshape(2, 400)
    assert 0.2 < masks.mean() < 0.4
    assert (masks[0] != masks[1]).any()
    clean = made.parts("clean").data
    assert clean.attacked is None
    hit = masks.ravel() > 0
    same = (parts.data.observation == clean.observation).all(axis=1)
    assert np.array_equal(same, ~hit)
    assert np.array_equal(parts.data.next_observation, clean.next_observation)
    plain = made.block("iql", "obs")
    assert (plain["members"], plain["quantile"], plain["normalise"]) == (2, 0.0, "none")
    assert made.block("normalised", "obs") == {**plain, "normalise": "pairs"}
    assert made.block("riql", "act")["members"] == 3
    assert made.block("riql", "clean")["sigma"] == 1.0
    for name in ("riql on next_obs", "iql on rew"):
        result = made.run(jobs[name], lambda _: None)
        assert {len(result[key]) for key in ("score", "noise", "fell", "data")} == {2}
        assert result["horizon"]["share"] > 0
