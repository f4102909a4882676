"""Batches of windows of episodes, and dropout by seed, for sequence models.

Shapes: S seeds, B batch, K steps, O observation, A action.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.windows import episodes, returns_to_go
from tasks.train import Learner
from tasks.train.engine.minibatches import BLOCK, draw_rows, odds
from tasks.train.engine.table import pack

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

DROPOUT_STREAM = 1  # of a seed and update; stream 0 of a seed and block draws rows


@dataclass
class Sequences:
    """One minibatch of windows of episodes for each seed, padded past an episode's end.

    Attributes:
        returns: Returns-to-go, scaled, (S, B, K, 1).
        observation: (S, B, K, O), normalised.
        action: (S, B, K, A), in [-1, 1].
        timestep: Number of each step in its episode, (S, B, K) int64.
        valid: (S, B, K), 1.0 where there is a step; padding is on the right.
    """

    returns: Tensor
    observation: Tensor
    action: Tensor
    timestep: Tensor
    valid: Tensor


class WindowSampler:
    """Batches of windows, their starts drawn a block at a time.

    Every row of the dataset is equally likely to be the start of a window, which draws
    episodes in proportion to their lengths. A learner with weights starts at each row
    with the probability its weight says.

    Args:
        learner: Whose seeds and widths it draws for.
        data: The dataset.
        batch: B.
        context: K.
        longest: Steps of the longest episode the learner can take.
        return_scale: Returns are multiplied by it.

    Raises:
        RefusedError: If every episode is shorter than the context, one is longer than
            the learner can take, a number is not finite, or an action lies outside its
            bounds.
    """

    def __init__(
        self,
        learner: Learner[Any],
        data: "Transitions",
        batch: int,
        context: int,
        longest: int,
        return_scale: float,
    ) -> None:
        step, first, lengths = episodes(data)
        name = ".".join(learner.method())
        if lengths.max() < context:
            raise RefusedError(
                name,
                "context",
                context,
                f"at most {lengths.max()}, the longest episode of {data.dataset_id}",
                "lower context, or take longer episodes",
            )
        if lengths.max() > longest:
            raise RefusedError(
                name,
                "episode_steps",
                longest,
                f"at least {lengths.max()}, the longest episode of {data.dataset_id}",
                "raise episode_steps",
            )
        self.seeds, self.shape = learner.seeds, (len(learner.seeds), batch, context)
        self.o, self.a = learner.spaces.observation, learner.spaces.action
        self.device = learner.device
        self.table = pack(learner, data).to(self.device)
        self.summed = odds(learner, data)
        to_go = torch.from_numpy(returns_to_go(data) * return_scale).float()
        self.to_go = to_go[:, None].to(self.device)
        self.step = torch.from_numpy(step).to(self.device)
        # the last row of each row's episode
        last = torch.from_numpy(np.repeat(first + lengths, lengths)) - 1
        self.last = last.to(self.device)
        self.window = torch.arange(context, device=self.device)
        self.block = -1
        self.index: Tensor  # (BLOCK, S * B)

    def __call__(self, step: int) -> Sequences:
        """The batch of one update."""
        block, i = divmod(step, BLOCK)
        if block != self.block:
            self.block = block
            self.index = draw_rows(
                self.seeds, block, self.shape[1], len(self.table), self.summed
            ).to(self.device)
        start = self.index[i]
        window = start[:, None] + self.window  # (S * B, K), may run past the end
        rows = torch.minimum(window, self.last[start][:, None])
        valid = (window == rows).float().view(self.shape)
        timestep = (self.step[start][:, None] + self.window).view(self.shape)
        flat = rows.view(-1)
        table = self.table.index_select(0, flat).view(*self.shape, -1)
        returns = self.to_go.index_select(0, flat).view(*self.shape, 1)
        o, a = table[..., : self.o], table[..., self.o : self.o + self.a]
        return Sequences(returns, o, a, timestep, valid)


class Dropout:
    """Dropout whose masks depend on the seed and the number of the update alone.

    Make one for each update and call it once at every place where a network drops
    units, in the same order each time.

    Args:
        seeds: One slice each.
        rate: Share that is set to zero, in [0, 1), rounded to 1 / 65 536; the rest is
            scaled up.
        step: Number of the update.
    """

    def __init__(self, seeds: tuple[int, ...], rate: float, step: int) -> None:
        self.dropped = round(rate * 2**16)
        self.draws = [
            np.random.default_rng([seed, step, DROPOUT_STREAM]) for seed in seeds
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Drop and scale: (S, ...) -> (S, ...)."""
        if not self.dropped:
            return x
        count = x.numel() // len(self.draws)
        words = np.stack(
            [np.frombuffer(draw.bytes(2 * count), np.uint16) for draw in self.draws]
        )
        kept = torch.from_numpy(words >= self.dropped).to(x).view(x.shape)
        return x * kept.mul_(2**16 / (2**16 - self.dropped))
