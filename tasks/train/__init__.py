"""Train: a dataset and a learner become a policy, many seeds in one stack.

This file is what a method must keep to. A method defines one :class:`Learner` and reads
like its paper: networks in the constructor, the equations in ``update``. Drawing
batches and noise, curves, checkpoints and the loop itself are in ``engine/``, so
``update`` depends on the learner's tensors, the batch and the step number alone.

Observations are normalised and actions scaled to [-1, 1] before a learner sees them.
Discrete actions are one-hot rows of width A, the number of actions.

Shapes: S seeds, B batch, N transitions, O observation, A action.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.method import P
from tasks.nets.policy import Policy
from tasks.nets.predictor import Predictor
from tasks.train.engine.stack import Stack

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

# What a learner may ask for in ``columns``, beside the fields of a batch; (S, B, A)
# each, but for attacked, (S, B, 1):
COLUMNS = (
    "next_action",  # logged at the next observation; zeros where none was
    "legal",  # 1.0 where an action is allowed, all ones in a world without a mask
    "next_legal",  # the same at the next observation
    "attacked",  # 1.0 where the step was corrupted; for the curves alone
)


@dataclass(frozen=True)
class Spaces:
    """What a learner must know of the data before it sees a batch.

    Attributes:
        observation_mean: (O,), units of the world.
        observation_std: (O,), positive; the learner sees (o - mean) / std.
        action_low: (A,), the world's bounds, which the learner sees as -1.
        action_high: (A,), seen as 1.
        discrete: Whether actions are one-hot rows; their bounds are then 0 and 1.
        masked: Whether some discrete actions are forbidden at times; the columns
            ``legal`` and ``next_legal`` say which.
        attacked: Whether some steps were corrupted; the column ``attacked`` says which.
        pair_mean: (O,), over observations and next observations alike; None if unknown.
        pair_std: (O,), likewise.
    """

    observation_mean: Tensor
    observation_std: Tensor
    action_low: Tensor
    action_high: Tensor
    discrete: bool = False
    masked: bool = False
    attacked: bool = False
    pair_mean: Tensor | None = None
    pair_std: Tensor | None = None

    def normalised(self, by: str) -> "Spaces":
        """The same spaces with other statistics to normalise observations by.

        Args:
            by: ``observations``, the usual; ``pairs``, of observations and next
                observations together; ``none``, which leaves them as they are.

        Raises:
            ValueError: If the statistics of pairs are asked for and unknown.
        """
        mean, std = self.observation_mean, self.observation_std
        if by == "pairs":
            if self.pair_mean is None or self.pair_std is None:
                raise ValueError("spaces without statistics of pairs")
            mean, std = self.pair_mean, self.pair_std
        elif by == "none":
            mean, std = torch.zeros_like(mean), torch.ones_like(std)
        return replace(self, observation_mean=mean, observation_std=std)

    @property
    def observation(self) -> int:
        """Width of an observation, O."""
        return len(self.observation_mean)

    @property
    def action(self) -> int:
        """Width of an action, A."""
        return len(self.action_low)


@dataclass
class Batch:
    """One minibatch of transitions for each seed.

    Attributes:
        observation: (S, B, O), normalised.
        action: (S, B, A), in [-1, 1], or one-hot. Corrupted ones may lie outside.
        reward: (S, B), as the learner's ``rewards`` leaves them.
        next_observation: (S, B, O), normalised.
        terminated: (S, B), 1.0 where the episode terminated; a truncated one is 0.0.
        columns: By the names in ``Learner.columns``, each described in ``COLUMNS``.
        noise: By the names of ``Learner.draws()``, each of the shape its ``Draw`` says.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminated: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    noise: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Draw:
    """Random numbers a learner needs at every update.

    Attributes:
        count: n for (S, B, n, A); None for (S, B, A), one action a row.
        kind: ``normal`` (standard) or ``uniform`` in [-1, 1).
    """

    count: int | None = None
    kind: str = "normal"

    def shape(self, action: int) -> tuple[int, ...]:
        """What follows the axis of rows, (A,) or (n, A); ``action`` is A."""
        return (action,) if self.count is None else (self.count, action)

    def sample(
        self, generator: np.random.Generator, lead: tuple[int, ...], action: int
    ) -> NDArray[np.float32]:
        """Draw (*lead, A) or (*lead, n, A) numbers, where ``action`` is A."""
        shape = (*lead, *self.shape(action))
        if self.kind == "uniform":
            return 2 * generator.random(shape, np.float32) - 1
        return generator.standard_normal(shape, np.float32)


class Learner(Stack[P]):
    """One method that trains a policy on transitions, on a stack of seeds.

    Every tensor that training changes is a parameter or buffer of this module, or
    belongs to one of ``optimisers``: that is what a checkpoint holds.

    Args:
        params: The method's parameters.
        spaces: Widths, statistics and bounds of the data.
        seeds: One slice each; slice k depends on seeds[k] alone. In a sweep a seed
            stands there once a configuration.
        updates: How many updates there will be, for schedules.

    Attributes:
        actions: Kinds of actions it can learn: ``continuous``, ``discrete`` or both.
        columns: Names of ``COLUMNS`` it needs in a batch.
        noise: Names of the standard normal noises (S, B, A) it needs in a batch.
    """

    actions: ClassVar[Sequence[str]] = ("continuous",)
    columns: Sequence[str] = ()
    noise: ClassVar[Sequence[str]] = ()

    def __init__(
        self, params: P, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, seeds, updates)
        self.spaces = spaces

    @abstractmethod
    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Take one gradient step of every network.

        Args:
            batch: Rows and noise of this update.
            step: Number of updates done before, 0...

        Returns:
            Losses and estimates for the curves, each (S,).
        """

    @abstractmethod
    def policy(self) -> Policy:
        """The trained policy, sharing this learner's tensors."""

    def draws(self) -> dict[str, Draw]:
        """The random numbers ``update`` needs, by name; by default those of ``noise``.

        The order counts: each place has a random stream of its own.
        """
        return {name: Draw() for name in self.noise}

    def rewards(self, reward: Tensor, returns: Tensor) -> Tensor:
        """The rewards it learns from, (N,); asked for once, before the first update.

        Args:
            reward: (N,), as logged, which is also the default.
            returns: (episodes,), undiscounted.
        """
        del returns
        return reward

    def rows(self, data: "Transitions") -> NDArray[np.int64] | None:
        """Numbers of the transitions it learns from, at least one; None for all.

        Asked for before the first update. With ``weights`` these rows are drawn by
        their weights, which are scaled to add up to 1.
        """
        del data
        return None

    def sampler(self, data: "Transitions", batch: int) -> Callable[[int], Any] | None:
        """What gives the batch of an update by its number; None for the engine's.

        The engine's draws single transitions with replacement, evenly or by
        ``weights``. A learner that reads sequences has its own, which must draw by
        ``weights`` too; its ``update`` gets what the sampler gives.

        Args:
            data: The dataset.
            batch: B.
        """
        del data, batch
        return None


@dataclass
class Rows:
    """One minibatch of a dataset of named arrays for each seed.

    Attributes:
        arrays: By the names of ``PredictorLearner.reads``, (S, B, ...) each.
        noise: By the names of ``PredictorLearner.draws()``, (S, *shape) each.
    """

    arrays: Mapping[str, Tensor]
    noise: Mapping[str, Tensor] = field(default_factory=dict)


class PredictorLearner(Stack[P]):
    """One method that trains a predictor on named arrays, on a stack of seeds.

    It sees the split ``train`` and nothing else.

    Args:
        params: The method's parameters.
        data: The arrays of the split, (N, ...) each; those of ``reads`` are there. Its
            shapes, statistics and numbers of classes are for the constructor; batches
            come to ``update``.
        seeds: As of every learner.
        updates: How many updates there will be, for schedules.

    Attributes:
        reads: Arrays of the dataset that it needs.
    """

    reads: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        params: P,
        data: Mapping[str, NDArray[Any]],
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, seeds, updates)
        self.rows = len(next(iter(data.values())))

    @abstractmethod
    def update(self, batch: Rows, step: int) -> dict[str, Tensor]:
        """Take one gradient step of every network, as every learner does."""

    @abstractmethod
    def predictor(self) -> Predictor:
        """The trained predictor, sharing this learner's tensors."""

    def policy(self) -> Predictor:
        """What policy.json keeps: the predictor."""
        return self.predictor()

    def draws(self, batch: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the numbers of [0, 1) that a seed's ``update`` needs, by name.

        Args:
            batch: B.
        """
        del batch
        return {}
