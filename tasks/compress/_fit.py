"""Regression of a stack of small policies on another's outputs."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Adam

from tasks.artifacts.progress import Progress
from tasks.compress._calib import readout
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import generator


class Fit:
    """Adam on the mean squared error, one learning-rate schedule over all its steps.

    Args:
        policy: What is fitted; its layers are trained in place.
        seeds: Seed numbers; each draws its own batches.
        name: Enters the seeding of the batches.
        steps: Updates over all calls of :meth:`run`; the rate falls to 0 as a cosine.
        batch: Rows an update, with replacement.
        rate: Adam learning rate at the start.
    """

    def __init__(
        self,
        policy: Feedforward,
        seeds: Sequence[int],
        name: str,
        steps: int,
        batch: int,
        rate: float,
    ) -> None:
        self.policy, self.name, self.batch = policy, name, batch
        self.steps, self.done = steps, 0
        self.generators = [generator(seed, name) for seed in seeds]
        self.rate = rate
        policy.layers.requires_grad_(requires_grad=True)
        self.optimiser = Adam(policy.layers.parameters(), lr=rate, fused=True)

    def run(self, x: Tensor, targets: Tensor, steps: int) -> Tensor:
        """Take ``steps`` updates.

        Args:
            x: Normalised observations, (S, N, O).
            targets: What ``readout`` of the policy should give there, (S, N, ...).
            steps: How many.

        Returns:
            Mean loss of the last tenth of them, (S,).
        """
        shape = (steps, self.batch)
        draws = [torch.randint(x.shape[1], shape, generator=g) for g in self.generators]
        stack = torch.arange(len(x))[:, None]
        picks = torch.stack(draws, dim=1)  # (steps, S, B)
        losses = []
        with torch.enable_grad(), Progress(self.name, steps) as progress:
            for done, pick in enumerate(picks, 1):
                losses.append(self._step(x[stack, pick], targets[stack, pick]))
                progress(done)
        return torch.stack(losses[-max(1, steps // 10) :]).mean(0)

    def _step(self, x: Tensor, targets: Tensor) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = (
                self.rate / 2 * (1 + math.cos(math.pi * self.done / self.steps))
            )
        self.done += 1
        loss = (readout(self.policy, x) - targets).square().mean((1, 2))  # (S,)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss.sum())
        self.optimiser.step()
        return loss.detach()
