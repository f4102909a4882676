"""The bed of DSAC-T, small: its arms, its scales, and a run that was killed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.kept import Kept
from tests.beds.harness import bed, block
from tests.worlds.harness import load

torch.set_num_threads(1)
NETS = {"actor_hidden": [8], "critic_hidden": [8], "warm_up": 20, "replay": 60}
SMALL = {"seeds": [3, 1], "steps": 60, "batch": 8, "episodes": 2}
SMALL |= {"evaluations": 2, "every": 20}


def small(**changed: Any) -> Any:
    asked = block("dsac_t")
    asked["world"]["max_steps"] = 20
    learner = asked["learner"] | NETS | {"updates_per_step": 0.5}
    return bed("dsac_t", world=asked["world"], learner=learner, **(SMALL | changed))


def test_the_arms_differ_in_what_they_are_called_after():
    made, world = small(), load("pendulum")
    arms = {job.name: made.learner(job.name, world) for job in made.jobs()}
    assert list(arms)[:2] == ["dsac_t", "dsac_v1"]
    for name, learner in arms.items():
        assert learner.seeds == (3, 1, 3, 1)
        assert np.array(learner.params.reward_scale).tolist() == [0.1, 0.1, 10, 10]
        algorithm = name.removesuffix("_scaled").removesuffix("_paper")
        assert learner.params.algorithm == algorithm
        assert learner.params.loss == ("paper" if "paper" in name else "code")
        assert learner.labels[2] == "seed 3 at scale 10"
    assert arms["dsac_v1"].params.bound == 1
    scaled = arms["dsac_v1_scaled"].params.bound
    assert np.array(scaled).tolist() == [0.1, 0.1, 10, 10]


def test_a_slice_is_the_same_seed_alone(tmp_path: Path):
    whole, alone = small(), small(seeds=[1], scales=[10.0])
    found = []
    for i, made in enumerate((whole, alone)):
        job = made.jobs()[0]
        made.prepare([job], Kept(tmp_path / str(i), {}))
        found.append(made.run(job, lambda _: None))
        assert not list((tmp_path / str(i)).rglob("*.json"))
    both, own = found
    assert np.shape(both["score"]) == (2, 2)
    assert both["score"][1][1] == pytest.approx(own["score"][0][0], abs=0.01)
    assert both["score"][0][1] != both["score"][1][1]
    assert both["first"]["clipped"][1][1] > both["first"]["clipped"][0][1]


def test_a_run_that_was_killed_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = small()
    job = whole.jobs()[1]
    whole.prepare([job], Kept(tmp_path / "whole", {}))
    expected = whole.run(job, lambda _: None)
    cut = small()
    cut.prepare([job], Kept(tmp_path / "cut", {}))

    def stop(done: float) -> None:
        if done > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # after the first evaluation
        cut.run(job, stop)
    assert list((tmp_path / "cut").rglob("40.json"))
    again = small()
    again.prepare([job], Kept(tmp_path / "cut", {}))
    assert again.run(job, lambda _: None) == expected


def test_another_learner_is_refused():
    learner = block("dsac_t")["learner"] | {"_target_": "tasks.learn.sac.SAC"}
    made = small()
    params = type(made.params).parse(block("dsac_t", learner=learner), "bed.dsac_t")
    with pytest.raises(RefusedError, match="expected the class DSACT"):
        made.check_params(params, "bed.dsac_t")
