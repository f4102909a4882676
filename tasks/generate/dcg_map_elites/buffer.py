"""The replay buffer: transitions of many policies, with their episodes' descriptors.

Shapes: B rows, O observation, A action, D descriptor. d is the observed descriptor of
the whole episode a transition is from, d' the commanded one (the paper's target
descriptor), both normalised to [-1, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS


@dataclass(frozen=True)
class Rows:
    """A batch of transitions.

    Attributes:
        observation: (B, O), units of the world.
        action: (B, A), in [-1, 1].
        reward: (B, 1), units of the world.
        after: (B, O), the observation that followed.
        terminated: (B, 1), 1.0 where the task ended.
        truncated: (B, 1), 1.0 where time ran out.
        observed: (B, D), d.
        commanded: (B, D), d'.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    after: Tensor
    terminated: Tensor
    truncated: Tensor
    observed: Tensor
    commanded: Tensor

    @classmethod
    def of(cls, **columns: NDArray[np.generic]) -> Self:
        """Build from arrays, one a field; those of one number a row may be (B,)."""
        tensors = {
            k: torch.from_numpy(np.array(v, np.float32)) for k, v in columns.items()
        }
        return cls(**{k: v[:, None] if v.dim() == 1 else v for k, v in tensors.items()})


class Buffer:
    """The newest transitions, in a ring.

    Args:
        capacity: Transitions it holds at most.
        widths: Of each field of :class:`Rows`, in order.
        batch: Rows of a mini-batch, which it must be able to fill.

    Attributes:
        rows: (capacity, sum of widths), float32.
        size: Transitions it holds.
        at: Where the next one goes.

    Raises:
        RefusedError: If it is smaller than one batch.
    """

    def __init__(self, capacity: int, widths: Sequence[int], batch: int) -> None:
        if capacity < batch:
            raise RefusedError(
                PARAMS,
                "buffer",
                capacity,
                f"at least one batch, {batch}",
                "raise buffer or lower batch",
            )
        self.rows = torch.zeros(capacity, sum(widths))
        self.widths, self.size, self.at = list(widths), 0, 0

    def append(self, rows: Rows) -> None:
        """Store transitions over the oldest.

        Raises:
            RefusedError: If one is marked as terminated and truncated.
        """
        if bool((rows.terminated * rows.truncated).any()):
            raise RefusedError(
                "buffer",
                "terminated and truncated",
                "both set in one transition",
                "one of them, as one stops the bootstrap and one the update",
                "mend the world's end flags",
            )
        block = torch.cat([getattr(rows, field.name) for field in fields(Rows)], 1)
        capacity = len(self.rows)
        block = block[-capacity:]
        places = (self.at + torch.arange(len(block))) % capacity
        self.rows[places] = block
        self.at = (self.at + len(block)) % capacity
        self.size = min(self.size + len(block), capacity)

    def sample(self, steps: int, batch: int, draw: torch.Generator) -> Tensor:
        """Draw which rows the next mini-batches have, evenly and with repetition.

        Returns:
            Places (steps, batch), for :meth:`take`.
        """
        return torch.randint(self.size, (steps, batch), generator=draw)

    def take(self, places: Tensor) -> Rows:
        """Transitions at places (B,)."""
        rows = self.rows[places]
        return Rows(*torch.split_with_sizes(rows, self.widths, 1))
