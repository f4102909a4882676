"""Bandit learners in the bandit with a hidden state, and what all of them must hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.learn import TableLearner
from tests.train import harness
from tests.worlds.harness import load

WORLD = "dynamical_linear_bandit"


def make(
    name: str,
    steps: int = 400,
    seeds: Sequence[int] = (3, 5),
    world: Any = None,
    **changed: Any,
) -> Any:
    """A learner with what the test changes."""
    more = {"world": world or load(WORLD), "seeds": seeds, "steps": steps}
    learner: TableLearner[Any] = build(
        harness.block(name, **changed), f"learn.{name}", **more
    )
    return learner


def quiet(done: int) -> None:
    del done


class BanditTests:
    """The harness; a subclass names the learner and says what it chooses.

    Attributes:
        steps: As many as the reference takes.
    """

    name: str
    steps = 400

    def reference(self, system: Any, pull: Any, seed: int) -> list[int]:
        """The arms of one trial, by the paper, one step after the other.

        Args:
            system: The world's numbers.
            pull: Gives the reward of an arm, and goes on.
            seed: Of the trial.
        """
        raise NotImplementedError

    def test_it_chooses_as_the_paper_says(self):
        """Its curve of regret is that of the reference, step by step."""
        world, seed = load(WORLD), 5
        stream = world.stream([seed])

        def pull(arm: int) -> float:
            return float(stream.hold(np.array([arm]), 1)[0, 0])

        arms = self.reference(world.system, pull, seed)
        gaps = world.system.values.max() - world.system.values
        trials = make(self.name, self.steps, (3, seed)).learn(quiet)
        assert len(arms) == self.steps
        expected = gaps[arms].cumsum()[trials.steps - 1]
        np.testing.assert_allclose(trials.curves["regret"][:, 1], expected)
        hits = (np.array(arms) == gaps.argmin()).cumsum()[trials.steps - 1]
        shares = hits / trials.steps
        np.testing.assert_allclose(trials.curves["best_arm"][:, 1], shares)
        assert {self.steps // 2, self.steps} <= set(trials.steps.tolist())

    def test_a_trial_is_the_same_alone(self):
        together = make(self.name, seeds=(3, 5, 8)).learn(quiet)
        alone = make(self.name, seeds=(5,)).learn(quiet)
        regret = together.curves["regret"]
        assert regret[:, 1].tobytes() == alone.curves["regret"][:, 0].tobytes()
        assert together.values[1].tobytes() == alone.values[0].tobytes()
        assert together.values.shape == (3, 1, 6)

    def test_what_it_cannot_learn_in_is_refused(self):
        with pytest.raises(RefusedError, match="pendulum, which has no exact"):
            make(self.name, world=load("pendulum"))
        with pytest.raises(RefusedError, match="study.steps: found 5, expected at le"):
            make(self.name, 5)

    def test_a_reward_that_is_no_number_is_refused(self):
        world = load(WORLD)
        world.system.given = world.system.given * np.nan
        with pytest.raises(RefusedError, match="reward"):
            make(self.name, world=world).learn(quiet)


def norms(system: Any) -> tuple[float, ...]:
    """Omega, Theta, Bn and U, as a card of the paper would compute them."""
    pushed = np.linalg.svd(system.B, compute_uv=False).max()
    longest = max(np.sqrt((u**2).sum()) for u in system.arms)
    theta, omega = np.sqrt((system.theta**2).sum()), np.sqrt((system.omega**2).sum())
    return float(omega), float(theta), float(pushed), float(longest)


def width(
    system: Any, t: int, steps: int, ridge: float, settles: bool, rho: float
) -> float:
    """beta_t, written out from the paper."""
    omega, theta, pushed, u = norms(system)
    phi, d = system.phi, 3
    c1 = theta + omega * pushed * phi / (1 - rho)
    c2 = u * omega * phi * (u * pushed / (1 - rho) + u / (1 - rho))
    s = system.sigma**2 * (1 + omega**2 * phi**2 / (1 - rho**2))
    beta = c1 * np.sqrt(ridge)
    if settles:
        beta += c2 / np.sqrt(ridge) * np.log(np.e * (t + 1))
    spread = np.log(steps) + d / 2 * np.log(1 + t * u**2 / (d * ridge))
    return float(beta + np.sqrt(2 * s * spread))
