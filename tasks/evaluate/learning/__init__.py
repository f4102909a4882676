"""How good a learner was on the way: policies that training kept are played.

Training keeps a snapshot of its policy at a few moments (study.snapshots).
The last and the best return are reported, as CORL reports them: they differ a lot. Best
is the mean over seeds of each seed's best moment. It was chosen on the very episodes it
is reported on, and without a world nobody could have chosen it, so it flatters.

These are the trained networks themselves, all seeds in one stack; what is shipped is
the ONNX file, which the stage ``evaluate`` plays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.actions import check_played
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import Method
from tasks.artifacts.params import Params, Range
from tasks.evaluate import STARTS
from tasks.evaluate.engine.noise import Noise
from tasks.nets.policy import Policy
from tasks.statistics.intervals import score
from tasks.worlds import Floats, World
from tasks.worlds.engine.episodes import Moment, play

Returns = NDArray[np.float64]
COLUMNS = ("update", "seed", "episode", "start_seed", "return")


@dataclass(frozen=True)
class LearningParams(Params):
    """How snapshots are played.

    Attributes:
        episodes: Of each training seed and moment.
        start_seed: Of the first episode; the next one's is one more.
        confidence: Of intervals, e.g. 0.95.
        resamples: Of the bootstrap.
        resample_seed: Of the bootstrap's generator.
    """

    episodes: Annotated[int, Range(1, 10**6)]
    start_seed: Annotated[int, Range(0, STARTS - 1)]
    confidence: Annotated[float, Range(0, 1, open=True)]
    resamples: Annotated[int, Range(100, 10**6)]
    resample_seed: Annotated[int, Range(0, 2**31 - 1)]


class Learning(Method[LearningParams]):
    """Returns of the snapshots of one learner, all training seeds in one stack.

    Args:
        params: The method's parameters.
    """

    def returns(
        self, world: World, policy: Policy, where: object = "snapshot"
    ) -> Returns:
        """Undiscounted returns (S, E) of all slices of a policy.

        It acts with the noise that ``policy.acting`` names. Every slice plays the
        same start seeds; all episodes of all slices are stepped together.

        Args:
            world: Where it acts.
            policy: One slice a training seed.
            where: It lies, for errors.

        Raises:
            RefusedError: If it is none for that world, or an action is not finite or
                outside the world's bounds: a simulator would only warn and go on.
        """
        check_world(policy, world, where)
        seeds, episodes = policy.seeds, self.params.episodes
        starts = self.params.start_seed + np.arange(episodes)
        actor = _Actor(policy, starts, world.action_space, where)
        batch = world.make(seeds * episodes)
        played = play(batch, actor, [int(s) for s in np.tile(starts, seeds)])
        batch.close()
        return played.returns.reshape(seeds, episodes)

    def summary(self, tables: Mapping[int, Returns]) -> dict[str, Any]:
        """Last and best return: mean, and mean of the seeds' IQMs with its interval.

        Args:
            tables: (S, E) by the number of updates done.

        Returns:
            ``last``: figures of the last moment. ``best``: figures of the moment of
            each seed whose mean return is highest, and those moments as ``updates``.
        """
        stack = np.stack([tables[update] for update in sorted(tables)])  # (U, S, E)
        best = stack.mean(axis=2).argmax(axis=0)  # (S,)
        chosen = stack[best, np.arange(stack.shape[1])]
        moments = [sorted(tables)[i] for i in best]
        return {
            "last": self._figures(stack[-1]),
            "best": {**self._figures(chosen), "updates": moments},
        }

    def _figures(self, table: Returns) -> dict[str, Any]:
        figure = score(
            table,
            confidence=self.params.confidence,
            resamples=self.params.resamples,
            resample_seed=self.params.resample_seed,
        )
        return {
            "mean": float(table.mean()),
            "iqm": figure.middle,
            "low": figure.low,
            "high": figure.high,
            "per_seed": [float(row.mean()) for row in table],
        }


class _Actor:
    """All slices of a policy act at once, whichever of their episodes still run.

    Rows of ended episodes are computed too and thrown away: the stack's shape stays.
    """

    def __init__(
        self,
        policy: Policy,
        starts: NDArray[np.int64],
        space: Box | Discrete,
        where: object,
    ) -> None:
        self.policy, self.episodes = policy, len(starts)
        self.where = where
        self.bounds: dict[str, Any] = {}
        if isinstance(space, Discrete):
            self.bounds["n"] = int(space.n)
        else:
            self.bounds |= {"low": space.low, "high": space.high}
        episodes = self.episodes
        count = policy.seeds * episodes
        self.inputs = {
            name: np.zeros((count, width), np.float32)
            for name, width in policy.inputs().items()
        }
        if "legal" in self.inputs:
            self.inputs["legal"][:] = 1
        self.noise = None
        if "noise" in self.inputs and policy.acting == "normal":
            self.noise = Noise(starts.tolist(), policy.inputs()["noise"])
        self.carry = {
            name: torch.full((policy.seeds, episodes, *entry.shape), entry.reset)
            for name, entry in policy.carry().items()
        }

    def __call__(self, moment: Moment) -> Floats:
        """Actions (L, A), or (L,) of a discrete policy."""
        seeds = self.policy.seeds
        for name in self.inputs.keys() - {"noise"}:
            self.inputs[name][moment.episode] = getattr(moment, name)
        if self.noise is not None:
            self.inputs["noise"][:] = np.tile(self.noise(moment.step), (seeds, 1))
        shape = (seeds, self.episodes, -1)
        inputs = {k: torch.from_numpy(v).view(shape) for k, v in self.inputs.items()}
        with torch.no_grad():
            outputs, self.carry = self.policy.step(inputs, self.carry)
        actions: Floats = outputs["action"].flatten(0, 1).numpy()[moment.episode]
        check_played(actions, self.bounds, self.where, moment.step)
        return actions


def check_world(policy: Policy, world: World, where: object) -> None:
    """Refuse a policy whose widths or kind of action are not the world's."""
    widths = {
        "observation": int(np.prod(world.observation_space.shape or ())),
        "reward": 1,
        "legal": world.action_width,
    }
    stated: list[tuple[str, object, object]] = [
        (f"inputs.{name}", width, widths[name])
        for name, width in policy.inputs().items()
        if name in widths
    ]
    discrete = isinstance(world.action_space, Discrete)
    stated.append(("discrete", policy.discrete, discrete))
    stated.append(("action", policy.action_scale.shape[-1], world.action_width))
    for field, found, expected in stated:
        if found != expected:
            mend = "train it again on that dataset, with: dvc repro"
            raise RefusedError(where, field, found, expected, mend)
