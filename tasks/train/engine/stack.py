"""What all training methods have in common: a stack of seeds, optimisers, state.

Shapes: S seeds.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.artifacts.method import Method, P
from tasks.nets.critic import Critic
from tasks.nets.network import Network
from tasks.nets.optimisers import (
    PREFIX,
    Adam,
    clip_by_seed,
    optimiser_tensors,
    restore_optimisers,
)

ROOMS = ("train", "learn")  # whose methods are learners


class Stack(nn.Module, Method[P], ABC):
    """One training method on a stack of seeds.

    Every tensor that training changes is a parameter or buffer of this module, or
    belongs to one of ``optimisers``: that is what a checkpoint holds.

    Args:
        params: The method's parameters.
        seeds: One slice each; slice k depends on seeds[k] alone. In a sweep a seed
            stands there once a configuration.
        updates: How many updates there will be, for schedules.

    Attributes:
        labels: What each slice is called in an error.
        weights: How likely each row is to be drawn, (N,), adding up to 1; None, the
            default, for evenly. Set before the first update; a method's own code never
            looks at it.
    """

    def __init__(self, params: P, seeds: Sequence[int], updates: int) -> None:
        super().__init__()
        self.params = params
        self.seeds, self.updates = tuple(seeds), updates
        self.optimisers: dict[str, Adam] = {}
        self.labels = [f"seed {seed}" for seed in self.seeds]
        self.weights: NDArray[np.float64] | None = None

    @property
    def device(self) -> torch.device:
        """Where its tensors are; batches have to be there too."""
        return next(self.parameters()).device

    @classmethod
    def method(cls) -> tuple[str, str]:
        """Room and name; of a test's or a bed's own learner, train and its module."""
        modules = [base.__module__.split(".") for base in cls.__mro__]
        inside = [m[:3] for m in modules if m[0] == "tasks" and len(m) > 2]
        own = [(r, n) for _, r, n in inside if r in ROOMS and n != "cores"]
        return own[0] if own else ("train", modules[0][-1])

    @abstractmethod
    def update(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Take one gradient step of every network.

        Args:
            batch: Rows and random numbers of this update.
            step: Number of updates done before, 0...

        Returns:
            Losses and estimates for the curves, each (S,).
        """

    @abstractmethod
    def policy(self) -> Network:
        """What was trained, sharing this learner's tensors; policy.json keeps it."""

    def critic(self) -> Critic | None:
        """The trained critics, sharing this learner's tensors; None to keep none.

        They are kept beside the policy for who needs them later, such as attacks on a
        dataset.
        """
        return None

    def descend(self, name: str, loss: Tensor, clip: float = 0.0) -> None:
        """Step one optimiser down the gradient of the losses, summed over seeds.

        Seeds share no parameter, so the sum's gradient is each seed's own. Only this
        optimiser's parameters get a gradient.

        Args:
            name: Which of ``optimisers``.
            loss: (S,).
            clip: Largest norm of a seed's gradient; longer ones are shortened. 0 for no
                limit.
        """
        optimiser = self.optimisers[name]
        gradients = torch.autograd.grad(loss.sum(), optimiser.parameters)
        if clip:
            gradients, _ = clip_by_seed(gradients, clip, len(self.seeds))
        optimiser.step(gradients)

    def tensors(self) -> dict[str, Tensor]:
        """The full state for resuming: module tensors and optimiser moments."""
        return {**self.state_dict(), **optimiser_tensors(self.optimisers)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back the state that :meth:`tensors` gave."""
        own = {k: v for k, v in state.items() if not k.startswith(PREFIX)}
        self.load_state_dict(own)
        restore_optimisers(self.optimisers, state)
