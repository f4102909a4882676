"""What bandit learners share: the loop of choices, and the account of regret.

A choice is an arm of every trial, held for some steps. Regret is the pseudo-regret, the
sum over steps of <h, u*> - <h, u_t>: against what the best arm earns in its steady
state, computed from the world and never shown to the learner.

Shapes: S trials, K arms, M moments.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import P
from tasks.artifacts.params import MEND, PARAMS
from tasks.learn import TableLearner, Trials
from tasks.worlds import World, require

Array = NDArray[np.float64]
Arms = NDArray[np.int64]
MOMENTS = 200  # rows of the curves, the middle and the end among them


class Bandit(TableLearner[P]):
    """A learner of arms.

    Raises:
        RefusedError: If a trial has fewer steps than there are arms.

    Attributes:
        arms: K.
        draws: A generator a trial.
    """

    needs: ClassVar[tuple[str, ...]] = ("stream",)

    def __init__(self, params: P, world: World, seeds: Any, steps: int) -> None:
        super().__init__(params, world, seeds, steps)
        self.arms = self.exact.actions
        if steps < self.arms:
            expected = f"at least one for each of the {self.arms} arms"
            raise RefusedError(PARAMS, "study.steps", steps, expected, MEND)
        # apart from the generators of the world's noise
        self.draws = [np.random.default_rng([seed, 0, 1]) for seed in seeds]

    def lengths(self) -> Iterator[int]:
        """Steps for which each choice is held, without end; 1 by default."""
        while True:
            yield 1

    @abstractmethod
    def choose(self, step: int) -> Arms:
        """An arm of every trial, (S,), after some steps."""

    @abstractmethod
    def see(self, arm: Arms, rewards: Array) -> None:
        """Learn from the rewards (S, held) of a choice (S,)."""

    @abstractmethod
    def values(self) -> Array:
        """Of every arm (S, K); the policy takes the largest."""

    def learn(self, tell: Callable[[int], None]) -> Trials:
        """Choose, hold, learn, to the end."""
        stream = require(self.world, "stream")(self.seeds)
        table = [self.exact.regret(np.array([k])) for k in range(self.arms)]
        gaps, best = np.array(table), np.argmin(table)
        moments = np.unique(np.linspace(0, self.steps, MOMENTS + 1).astype(int)[1:])
        moments = np.union1d(moments, self.steps // 2)
        regret = np.zeros((len(moments), len(self.seeds)))
        pulls = np.zeros_like(regret)  # of the best arm
        step, row, lost, right = 0, 0, np.zeros(len(self.seeds)), np.zeros(1)
        for length in self.lengths():
            arm, held = self.choose(step), min(length, self.steps - step)
            rewards = stream.hold(arm, held)
            if not np.isfinite(rewards).all():
                where = f"world {self.world.params.name}"
                raise RefusedError(where, "reward", "no number", "numbers", MEND)
            gap, hit = gaps[arm], arm == best
            while row < len(moments) and moments[row] <= step + held:
                regret[row] = lost + gap * (moments[row] - step)
                pulls[row] = right + hit * (moments[row] - step)
                row += 1
                tell(step)
            lost, right, step = lost + gap * held, right + hit * held, step + held
            self.see(arm, rewards)
            if step == self.steps:
                break
        curves = {"regret": regret, "best_arm": pulls / moments[:, None]}
        return Trials(self.values()[:, None], moments, curves)


def best(values: Array) -> Arms:
    """The first of the largest values (S, K), of every trial."""
    return values.argmax(axis=1).astype(np.int64)
