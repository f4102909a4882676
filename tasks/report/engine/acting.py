"""What files do in the first seconds of an episode, to be drawn.

They are played by the evaluator itself, with its noise, masks and memory, in the world
of the dataset with a shorter limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.recorded import FILE, read_world
from tasks.evaluate.engine.compatibility import check_fits
from tasks.evaluate.returns import play
from tasks.worlds import Batch, World
from tasks.worlds.engine.recorded import build_world

State = dict[str, NDArray[Any]]


PICTURES = 12.5  # a second of a film, about
STEPS = 4.0  # a second of a film, in worlds whose step is a longer while


@dataclass(frozen=True)
class Pace:
    """How steps become moments of a film.

    Attributes:
        every: Steps from one moment to the next.
        each: Seconds of the film from one to the next.
        count: Of moments.
    """

    every: int
    each: float
    count: int

    @classmethod
    def of(cls, step: float, seconds: int) -> Self:
        """At the world's own speed where its step, in seconds, is a short one."""
        every = max(1, round(1 / PICTURES / step))
        each = every * step if step <= 1 / STEPS else 1 / STEPS
        return cls(every, each, round(seconds / each) + 1)

    def no_longer(self, steps: int) -> Self:
        """The same, with no moment after so many steps are over."""
        return replace(self, count=min(self.count, -(-steps // self.every) + 1))


@dataclass(frozen=True)
class Take:
    """What one file did.

    Attributes:
        states: What the world said of itself before each step and after the last, by
            name; of a simulator ``qpos`` and ``qvel``.
        returns: What had been earned by then, as many, units of the world.
        ended: Whether the episode was over by then.
    """

    states: list[State]
    returns: list[float]
    ended: bool

    def frames(self, pace: Pace) -> tuple[list[State], list[float]]:
        """A state and a return each moment, the last ones held to the end."""
        last = len(self.states) - 1
        rows = [min(pace.every * i, last) for i in range(pace.count)]
        return [self.states[r] for r in rows], [self.returns[r] for r in rows]


class Filmed(OnnxPolicy):
    """A policy that keeps what it acted in.

    Attributes:
        batch: Where it is played, one sub-environment.
        states: Before each of its steps.
        rewards: Of the step before each, 0 at the first.
    """

    batch: Batch

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.states: list[State] = []
        self.rewards: list[float] = []

    def step(
        self, inputs: Mapping[str, NDArray[Any]], carry: Mapping[str, NDArray[Any]]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """As of every policy."""
        self.states.append(state_of(self.batch))
        self.rewards.append(float(inputs["reward"][0, 0]))
        return super().step(inputs, carry)

    def take(self, start: int, acting: str, steps: int) -> Take:
        """Play an episode from a start seed.

        Args:
            start: The seed.
            acting: Noise, as of :func:`tasks.evaluate.returns.play`.
            steps: After which the world, not the episode, ends.
        """
        starts = np.array([start])
        told = play(self.batch, self, 0, starts, lambda *_: None, acting)
        states = [*self.states, state_of(self.batch)]
        earned = [*np.cumsum(self.rewards).tolist(), float(told.returns[0])]
        ended = bool(told.terminated[0]) or int(told.length[0]) < steps
        return Take(states, earned, ended)

    @classmethod
    def of(cls, path: Path, mode: str | None, world: World) -> Self:
        """Open a file that is to act in a world.

        Raises:
            RefusedError: If it is not the file that was written, or does not fit.
        """
        policy = cls.open(path, mode)
        check_fits(path, policy.contract, world)
        policy.batch = world.make(1)
        return policy


def state_of(batch: Batch) -> State:
    """What there is to draw of the only sub-environment."""
    state = {name: value[0].copy() for name, value in batch.state().items()}
    for env in getattr(batch, "envs", [])[:1]:
        data: Any = getattr(env.unwrapped, "data", None)
        if not state and hasattr(data, "qpos"):
            state = {"qpos": data.qpos.copy(), "qvel": data.qvel.copy()}
    return state


def short_world(dataset: Path, steps: int) -> World:
    """The world a dataset was recorded in, with a limit of so many steps if it is less.

    Raises:
        RefusedError: If it cannot be built, or there is none to play in.
    """
    block = dict(read_world(dataset)["world"])
    if isinstance(limit := block.get("max_steps"), int):
        block["max_steps"] = min(limit, steps)
    return build_world(block, dataset / FILE).real
