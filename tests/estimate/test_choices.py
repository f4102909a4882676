"""Policies that choose: their best choice is judged, and noise is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.transitions import Transitions
from tasks.estimate import target
from tests.estimate.logged import estimator, quiet, transitions
from tests.evaluate.test_play_choices import files
from tests.worlds.harness import load

ROWS = 400


def earned(observation: Any, chosen: Any) -> Any:
    return chosen != (observation[:, 0] > 0)


def logged(width: int = 4) -> Transitions:
    """Episodes of one step; the first of two choices earns 1 where a sign is plus."""
    draw = np.random.default_rng(0)
    observation, chosen = draw.normal(size=(ROWS, width)), draw.integers(0, 2, ROWS)
    data = transitions(
        [[float(r)] for r in earned(observation, chosen)],
        [True] * ROWS,
        observation,
        np.eye(2)[chosen],
        np.zeros((ROWS, width)),
    )
    return replace(data, action_low=np.zeros(2), discrete=True)


def opened(folder: Path) -> tuple[Path, OnnxPolicy]:
    path, _ = files(folder, load("cartpole"), masked=False)
    return path, OnnxPolicy.open(path, distribution=True)


def test_the_value_is_what_its_choices_earn(tmp_path: Path):
    data, (path, policy) = logged(), opened(tmp_path)
    act = target(path, policy, data, 0.0)
    chosen = policy.act(data.observation)
    assert np.array_equal(act(data.observation).mean, 2 * np.eye(2)[chosen] - 1)
    fit = {"hidden": [32], "updates": 600, "batch": 64, "resamples": 100}
    fqe = estimator("fqe", noise=0.0, rate=3e-3, **fit)
    estimates = fqe.estimate(data, {0: act}, quiet)
    right = earned(data.observation, chosen).mean()
    assert estimates["discounted"]["mean"] == pytest.approx(right, abs=0.05)


@pytest.mark.parametrize(
    ("noise", "changes", "match"),
    [
        (0.3, {}, "noise, of a policy that takes its best choice: found 0.3"),
        (0.0, {"discrete": False}, "outputs.action.n: found 2, expected 0"),
        (0.0, {"action": np.zeros((ROWS, 3))}, "outputs.action.n: found 2, expected 3"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, noise: float, changes: dict[str, object], match: str
):
    path, policy = opened(tmp_path)
    with pytest.raises(RefusedError, match=match):
        target(path, policy, replace(logged(), **changes), noise)
