"""Learn: a world and an online learner become a policy, many seeds in one stack.

This file is what a method must keep to. An online learner is a learner like those of
``tasks/train`` that also says how it acts while it learns. There are two kinds:

| kind | learns from |
|---|---|
| :class:`ReplayLearner` | batches of a replay buffer of what it did |
| :class:`StreamingLearner` | each step once, when it is taken |

The loop, the worlds, the buffer, curves and checkpoints are in ``engine/``. Each seed
has worlds of its own, all stepped together. What is random is drawn by the engine, so
that ``act`` and ``update`` depend on the learner's tensors, their arguments and the
step alone.

Shapes: S seeds, N worlds of a seed, B batch, O observation, A action.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import P
from tasks.artifacts.params import MEND, PARAMS, Params, Range
from tasks.train import Learner

if TYPE_CHECKING:
    from tasks.worlds import World


@dataclass(frozen=True)
class OnlineParams(Params):
    """What every online learner's parameters say.

    Attributes:
        worlds: N, sub-environments of each seed that are stepped together.
        warm_up: Steps of each seed before its first update.
    """

    worlds: Annotated[int, Range(1, 4096)]
    warm_up: Annotated[int, Range(0, 10**9)]


@dataclass(frozen=True)
class ReplayParams(OnlineParams):
    """How a learner draws from what it did.

    Attributes:
        replay: Newest steps of each seed that batches are drawn of.
        updates_per_step: Updates for each step of a seed after the warm-up.
    """

    replay: Annotated[int, Range(1, 10**9)]
    updates_per_step: Annotated[float, Range(0, 64, open=True)]

    def __post_init__(self) -> None:
        """Also refuse a buffer that could not hold the steps of the warm-up."""
        super().__post_init__()
        if self.replay < self.warm_up:
            expected = f"at least warm_up, {self.warm_up}"
            raise RefusedError(PARAMS, "replay", self.replay, expected, MEND)


@dataclass(frozen=True)
class StreamingParams(OnlineParams):
    """What a learner without a buffer says: it learns from its first step on."""

    def __post_init__(self) -> None:
        """Refuse worlds side by side and a warm-up."""
        super().__post_init__()
        for name, least in (("worlds", 1), ("warm_up", 0)):
            if getattr(self, name) != least:
                expected = f"{least}, as it learns from each step when it is taken"
                raise RefusedError(PARAMS, name, getattr(self, name), expected, MEND)


@dataclass(frozen=True)
class Chance:
    """Random numbers of one step, drawn anew at each.

    Attributes:
        normal: (S, N, A), standard normal.
        uniform: (S, N, max(A, 2)), in [0, 1).
    """

    normal: NDArray[np.float32]
    uniform: NDArray[np.float32]


class OnlineLearner(Learner[P], ABC):
    """A learner that acts in a world and learns from what it replays.

    Its ``updates`` are the steps of each seed, so that schedules count them.

    Attributes:
        Parameters: Of :class:`OnlineParams`.
    """

    Parameters: ClassVar[type[OnlineParams]]

    @abstractmethod
    def act(
        self, observation: Tensor, legal: Tensor | None, chance: Chance, step: int
    ) -> Tensor:
        """Choose what to do while learning.

        Args:
            observation: (S, N, O), units of the world.
            legal: (S, N, A), 1.0 where an action is allowed; None without a mask.
            chance: The only source of randomness.
            step: Steps of each seed before this one, 0...

        Returns:
            (S, N, A), as a batch will have it: in [-1, 1], or one-hot.
        """


class ReplayLearner(OnlineLearner[P], ABC):
    """A learner whose batches are drawn of a replay buffer.

    Attributes:
        Parameters: Of :class:`ReplayParams`.
    """

    Parameters: ClassVar[type[ReplayParams]]


class StreamingLearner(OnlineLearner[P], ABC):
    """A learner without a buffer: each step is learned from once, and thrown away.

    Its batches hold one row of each seed, the step that ``act`` has just led to. It may
    ask for the column ``truncated``, (S, 1, 1), 1.0 where the episode was cut short.

    Attributes:
        Parameters: Of :class:`StreamingParams`.
    """

    Parameters: ClassVar[type[StreamingParams]]

    def check_world(self, world: "World") -> None:
        """Refuse a world that it cannot learn in, before anything is done there.

        Raises:
            RefusedError: If it cannot.
        """
