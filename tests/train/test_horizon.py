"""How far critics came: the share, and the data's own value."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.curves import ENOUGH, undertrained
from tasks.train.engine.horizon import data_value, horizon, horizon_share, words
from tasks.train.engine.loop import Curves

from . import harness

PARAMS = Path(__file__).parents[2] / "params"
STUDIES = sorted(path.stem for path in (PARAMS / "study").glob("*.yaml"))


def by_hand(reward: Any, data: Any, discount: float) -> Any:
    """Discounted return-to-go, step by step from the back."""
    to_go, after = np.zeros(len(reward)), 0.0
    for row in reversed(range(len(reward))):
        last = row + 1 == len(reward) or data.episode[row + 1] != data.episode[row]
        after = reward[row] + (0.0 if last else discount * after)
        to_go[row] = after
    return to_go


def test_value_is_the_mean_return_to_go_of_steps_that_are_complete() -> None:
    data = harness.transitions()
    reward = data.reward.astype(np.float64)
    ended = harness.transitions(terminated=np.ones_like(data.terminated))
    expected = by_hand(reward, data, 0.9)
    assert data_value(reward, ended, 0.9) == pytest.approx(expected.mean())
    cut = harness.transitions(terminated=np.zeros_like(data.terminated))
    ends = np.array([np.flatnonzero(data.episode == e)[-1] for e in data.episode])
    left = ends - np.arange(len(reward))
    chosen = 0.5**left <= 0.05
    assert 0 < chosen.sum() < len(chosen)
    expected = by_hand(reward, data, 0.5)[chosen]
    assert data_value(reward, cut, 0.5) == pytest.approx(expected.mean())


def test_share_counts_updates_polyak_discount_and_delay() -> None:
    data = harness.transitions()
    learner = harness.make("td3_bc", updates=6000)
    block = harness.block("td3_bc") | {"polyak": 0.05, "policy_delay": 2}
    curves = Curves(["update", "seed", "value"], [np.array([6000, 0, 2.0])])
    reached = horizon(learner, block, data, curves)
    assert reached is not None
    assert reached["share"] == pytest.approx(6000 * 0.05 * 0.01 / 2)
    assert reached["value"] == 2
    bc = harness.make("bc")
    assert horizon(bc, harness.block("bc"), data, curves) is None


@pytest.mark.parametrize(
    ("share", "value", "data", "late"),
    [
        (1.5, 0.0, 10.0, False),
        (0.4, 7.9, 10.0, True),
        (0.4, 8.0, 10.0, False),
        (0.4, -30.0, -150.0, True),
        (0.4, -140.0, -150.0, False),
        (0.4, 1.0, 0.0, False),
    ],
)
def test_undertrained(share: float, value: float, data: float, late: bool) -> None:
    reached = {"share": share, "value": value, "data_value": data}
    assert undertrained(reached) is late  # type: ignore[arg-type]
    assert ("UNDERTRAINED" in words("iql", reached)) is late  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STUDIES)
def test_no_committed_study_stops_before_the_horizon_unless_it_says_so(name: str):
    params = yaml.safe_load(composed([f"study={name}"]))
    study = params["study"]
    if study.get("undertrained"):
        return
    learners = {*study["learners"], *study["weighted"]["learners"]}
    shares = {
        learner: horizon_share(study["updates"], params["train"][learner])
        for learner in learners
    }
    short = {k: share for k, share in shares.items() if share and share < ENOUGH}
    assert not short
