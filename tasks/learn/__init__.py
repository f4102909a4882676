"""Learn: a world and an online learner become a policy, many seeds in one stack.

This file is what a method must keep to. An online learner is a learner like those of
``tasks/train`` that also says how it acts while it learns. There are two kinds of it,
and one that is no network:

| kind | learns from |
|---|---|
| :class:`ReplayLearner` | batches of a replay buffer of what it did |
| :class:`StreamingLearner` | each step once, when it is taken |
| :class:`TableLearner` | a world of finitely many states or arms, in whole arrays |

A table learner has a loop of its own and is held to the rest of this room by
``engine/tables.py``. Of the others the loop, the worlds, the buffer, curves and
checkpoints are in ``engine/``. Each seed has worlds of its own, all stepped together.
What is random is drawn by the engine, so that ``act`` and ``update`` depend on the
learner's tensors, their arguments and the step alone.

Shapes: S seeds, N worlds of a seed, B batch, O observation, A action. Of tables: S
trials, N states, M moments.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import Method, P
from tasks.artifacts.params import MEND, PARAMS, Params, Range
from tasks.train import Learner
from tasks.worlds import World, require
from tasks.worlds.cores.exact import Exact


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
        updates_per_episode: And for each of its episodes that ends after the warm-up.
        data_share: Share of each batch that is drawn of the dataset's rows instead.
        record: Whether all actions are kept, so that the run can become a dataset.
    """

    replay: Annotated[int, Range(1, 10**9)]
    updates_per_step: Annotated[float, Range(0, 64)]
    updates_per_episode: Annotated[int, Range(0, 10**6)]
    data_share: Annotated[float, Range(0, 1)]
    record: bool

    def __post_init__(self) -> None:
        """Also refuse a buffer less than the warm-up, no updates and no replay."""
        super().__post_init__()
        if self.replay < self.warm_up:
            expected = f"at least warm_up, {self.warm_up}"
            raise RefusedError(PARAMS, "replay", self.replay, expected, MEND)
        if not self.updates_per_step and not self.updates_per_episode:
            expected = "more than 0, or updates_per_episode above 0"
            raise RefusedError(PARAMS, "updates_per_step", 0.0, expected, MEND)
        if self.data_share == 1:
            expected = "less: of a dataset alone a learner of stage train learns"
            raise RefusedError(PARAMS, "data_share", self.data_share, expected, MEND)


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
    """A learner that acts in a world and learns there.

    Its ``updates`` are the steps of each seed, so that schedules count them.

    Attributes:
        Parameters: Of :class:`OnlineParams`.
        starts: Learners of ``tasks/train`` whose policies it can begin from.
        started: Whether it began from a policy, which the warm-up then acts by.
    """

    Parameters: ClassVar[type[OnlineParams]]
    starts: ClassVar[Sequence[str]] = ()
    started: bool = False

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

    def start(self) -> None:
        """Follow a policy of one of ``starts``, such as by copies to target networks.

        Its numbers, and those of its critics where :meth:`critic` leaves some, have
        just been put into what :meth:`policy` and :meth:`critic` give.
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

    def check_world(self, world: World) -> None:
        """Refuse a world that it cannot learn in, before anything is done there.

        Raises:
            RefusedError: If it cannot.
        """


@dataclass(frozen=True)
class Trials:
    """What a table learner leaves.

    Attributes:
        values: (S, N, A), of each state and action; the policy takes the largest.
        steps: (M,), steps after which the curves say something, the last at the end.
        curves: By name (M, S) each. ``regret`` is one of them, the sum so far of how
            much less was earned than the best policy earns in the end.
    """

    values: NDArray[np.float64]
    steps: NDArray[np.int64]
    curves: Mapping[str, NDArray[np.float64]]


class TableLearner(Method[P], ABC):
    """A learner without a network, in a world that knows its optimum.

    Its trials are the study's seeds, one trial a seed: a study that wants more trials
    lists more seeds. All are learned side by side in arrays, and what becomes of one
    depends on its own seed alone. Nothing is kept on the way. A run that was killed
    begins again, so it should take minutes and not hours.

    Args:
        params: Its own.
        world: Where it learns.
        seeds: S.
        steps: Of each trial.

    Raises:
        RefusedError: If the world lacks ``exact``, or another capability of ``needs``.

    Attributes:
        needs: Capabilities of the world beside ``exact``.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, params: P, world: World, seeds: Sequence[int], steps: int
    ) -> None:
        super().__init__(params)
        self.world, self.seeds, self.steps = world, tuple(seeds), steps
        self.exact: Exact = require(world, "exact")()
        for capability in self.needs:
            require(world, capability)

    @abstractmethod
    def learn(self, tell: Callable[[int], None]) -> Trials:
        """Learn to the end.

        Args:
            tell: Called now and then with the steps done.
        """
