"""What a learner is given: the spaces of its data, batches, random numbers.

Shapes: S seeds, B batch, O observation, A action.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Spaces:
    """What a learner must know of the data.

    Attributes:
        observation_mean: (O,), units of the world.
        observation_std: (O,), positive; the learner sees (o - mean) / std.
        action_low: (A,), the world's bounds; the learner sees [-1, 1].
        action_high: (A,).
        discrete: Actions are one-hot rows; their bounds are then 0 and 1.
        masked: Of discrete ones some are forbidden at times; columns ``legal`` and
            ``next_legal`` tell.
        attacked: Some steps were corrupted; column ``attacked`` tells.
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
        """The same with other statistics for the learner to see observations by.

        Args:
            by: ``observations``, the usual; ``pairs``, of observations and next
                observations together; ``none``, which leaves them as they are.
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
        """O."""
        return len(self.observation_mean)

    @property
    def action(self) -> int:
        """A."""
        return len(self.action_low)


@dataclass
class Batch:
    """One minibatch a seed.

    Attributes:
        observation: (S, B, O), normalised.
        action: (S, B, A), in [-1, 1], or one-hot. Corrupted ones may lie outside.
        reward: (S, B).
        next_observation: (S, B, O), normalised.
        terminated: (S, B), 1.0 where the episode terminated; a truncated one is 0.0.
        columns: By the names of ``Learner.columns``, see :data:`COLUMNS`.
        noise: By the names of ``Learner.draws()``, see :class:`Draw`.
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
    """Random numbers a learner wants at every update.

    Attributes:
        count: n for (S, B, n, A); None for (S, B, A), one action a row.
        kind: ``normal`` (standard) or ``uniform`` in [-1, 1).
    """

    count: int | None = None
    kind: str = "normal"

    def shape(self, action: int) -> tuple[int, ...]:
        """(A,) or (n, A), what follows the axis of rows; ``action`` is A."""
        return (action,) if self.count is None else (self.count, action)

    def sample(
        self, generator: np.random.Generator, lead: tuple[int, ...], action: int
    ) -> NDArray[np.float32]:
        """Draw (*lead, A) or (*lead, n, A), where ``action`` is A."""
        shape = (*lead, *self.shape(action))
        if self.kind == "uniform":
            return 2 * generator.random(shape, np.float32) - 1
        return generator.standard_normal(shape, np.float32)


# What a learner may ask for beside the fields of a batch, (S, B, A) each, but for
# attacked, (S, B, 1):
COLUMNS = (
    "next_action",  # logged at the next observation; zeros where none was
    "legal",  # 1.0 where an action is allowed, all ones in a world without a mask
    "next_legal",  # the same at the next observation
    "attacked",  # 1.0 where the step was corrupted; for logs alone
)
