"""Regression of a stack of policies on another's outputs."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tasks.artifacts.progress import Progress
from tasks.artifacts.seeding import generator
from tasks.nets.optimisers import adam


class Fit:
    """Adam on the mean squared error, one learning-rate schedule over all its steps.

    Args:
        answer: The fitted network's outputs, of some rows of the inputs that
            :meth:`run` is given.
        trained: Holds the network's parameters, which are trained in place.
        seeds: Seed numbers; each draws its own batches.
        name: Enters the seeding of the batches.
        steps: Updates over all calls of :meth:`run`; the rate falls to 0 as a cosine.
        batch: Rows an update, with replacement.
        rate: Adam learning rate at the start.
        broken: Called with the updates done when a loss is not finite, and at the end
            of a run; it may raise.
    """

    def __init__(
        self,
        answer: Callable[..., Tensor],
        trained: nn.Module,
        seeds: Sequence[int],
        name: str,
        steps: int,
        batch: int,
        rate: float,
        broken: Callable[[int], None] | None = None,
    ) -> None:
        self.answer, self.name, self.batch = answer, name, batch
        self.steps, self.done = steps, 0
        self.generators = [generator(seed, name) for seed in seeds]
        self.rate, self.broken = rate, broken
        trained.requires_grad_(requires_grad=True)
        self.optimiser = adam(trained.parameters(), rate)

    def run(self, inputs: Sequence[Tensor], targets: Tensor, steps: int) -> Tensor:
        """Take ``steps`` updates.

        Args:
            inputs: What the answer depends on, (S, N, ...) each.
            targets: What it should be, (S, N, ...).
            steps: How many.

        Returns:
            Mean loss of the last tenth of them, (S,).
        """
        count, rows = targets.shape[:2]
        shape = (steps, self.batch)
        draws = [torch.randint(rows, shape, generator=g) for g in self.generators]
        stack = torch.arange(count)[:, None]
        picks = torch.stack(draws, dim=1)  # (steps, S, B)
        losses = []
        with torch.enable_grad(), Progress(self.name, steps) as progress:
            for done, pick in enumerate(picks, 1):
                batch = [x[stack, pick] for x in inputs]
                losses.append(self._step(batch, targets[stack, pick]))
                progress(done)
        if self.broken:
            self.broken(self.done)
        return torch.stack(losses[-max(1, steps // 10) :]).mean(0)

    def _step(self, inputs: Sequence[Tensor], targets: Tensor) -> Tensor:
        """One update; the loss before it, (S,)."""
        falling = 1 + math.cos(math.pi * self.done / self.steps)
        self.optimiser.rate = self.rate / 2 * falling
        self.done += 1
        loss = (self.answer(*inputs) - targets).square().flatten(1).mean(1)  # (S,)
        if self.broken and not bool(torch.isfinite(loss.detach()).all()):
            self.broken(self.done)
        parameters = self.optimiser.parameters
        gradients = torch.autograd.grad(
            loss.sum(), parameters, allow_unused=True, materialize_grads=True
        )
        self.optimiser.step(gradients)
        return loss.detach()
