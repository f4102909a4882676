"""Statistics of what a stream has shown so far, one a seed, by Welford's algorithm.

Paper: Welford 1962, "Note on a method for calculating corrected sums of squares and
products" (Technometrics 4), as Elsayed et al. 2024 (arXiv 2410.14606) use it: the
variance is the sample's, and 1 until there are two samples.

Shapes: S seeds, W width.
"""

import torch
from torch import Tensor, nn

EPSILON = 1e-8  # added to the variance


class Running(nn.Module):
    """Mean and variance of each column.

    Args:
        seeds: S.
        width: W.
    """

    def __init__(self, seeds: int, width: int) -> None:
        super().__init__()
        self.count: Tensor
        self.mean: Tensor
        self.squares: Tensor  # sums of squared deviations
        self.register_buffer("count", torch.zeros(seeds, 1, dtype=torch.float64))
        for name in ("mean", "squares"):
            zeros = torch.zeros(seeds, width, dtype=torch.float64)
            self.register_buffer(name, zeros)

    def add(self, x: Tensor, seeds: Tensor) -> None:
        """Take in a sample.

        Args:
            x: (S, W).
            seeds: (S,) bool, whose sample it is; the others' is left out.
        """
        x, taken = x.double(), seeds[:, None].double()
        self.count.add_(taken)
        off = (x - self.mean).mul_(taken)
        self.mean.add_(off / self.count.clamp(min=1))
        self.squares.add_(off.mul_(x - self.mean))

    @property
    def std(self) -> Tensor:
        """(S, W), never 0."""
        variance = self.squares / (self.count - 1).clamp(min=1)
        return (torch.where(self.count > 1, variance, 1.0) + EPSILON).sqrt()

    def normalise(self, x: Tensor) -> Tensor:
        """(S, W) -> the same with zero mean and unit variance."""
        return ((x.double() - self.mean) / self.std).float()


class RewardScale(nn.Module):
    """Rewards over the deviation of their running discounted sum, not centred.

    u <- discount (1 - ended) u + r, and r / sqrt(var(u) + 1e-8).

    Args:
        seeds: S.
        discount: Per step.
    """

    def __init__(self, seeds: int, discount: float) -> None:
        super().__init__()
        self.discount = discount
        self.statistics = Running(seeds, 1)
        self.sum: Tensor
        self.register_buffer("sum", torch.zeros(seeds, dtype=torch.float64))

    def forward(self, reward: Tensor, ended: Tensor) -> Tensor:
        """Take in a reward (S,), after which the episode ended or not; scale it."""
        self.sum.mul_(self.discount * (1 - ended.double())).add_(reward.double())
        every = torch.ones(len(reward), dtype=torch.bool)
        self.statistics.add(self.sum[:, None], every)
        return (reward.double() / self.statistics.std[:, 0]).float()
