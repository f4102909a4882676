"""Train: a dataset and a learner become a policy, many seeds in one stack.

A method's file defines one :class:`Learner` and reads like its paper: networks in the
constructor, the equations in ``update``. The loop, the batches, the noise, curves and
checkpoints are the engine's (``engine.py``), so ``update`` is a pure function of the
learner's tensors, the batch and the step number.

Discrete actions are one-hot rows of width A, the number of actions; ``spaces.discrete``
tells. A learner says in ``actions`` which kinds it can learn.

Shapes: S seeds, B batch, O observation, A action, E ensemble.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from tasks.artifacts.params import Params
from tasks.nets.critic import Critic
from tasks.nets.policy import Policy
from tasks.train.engine.batch import COLUMNS, Batch, Draw, Spaces

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions


__all__ = ["COLUMNS", "Batch", "Draw", "Learner", "Spaces"]


class Learner(nn.Module, ABC):
    """One training method on a stack of seeds.

    Every tensor that training changes is a parameter or buffer of this module, or
    belongs to one of ``optimisers``: that is what a checkpoint holds.

    Args:
        params: The method's parameters.
        spaces: Widths, statistics and bounds.
        seeds: One slice each; slice k depends on seeds[k] alone.
        updates: How many updates there will be, for schedules.

    Attributes:
        weights: How likely each transition is to be drawn, (N,), adding up to 1; None,
            the default, for evenly. Set before the first update; a method's own code
            never looks at it.
    """

    Parameters: ClassVar[type[Params]]
    actions: ClassVar[Sequence[str]] = ("continuous",)  # and, or, "discrete"
    columns: Sequence[str] = ()  # of COLUMNS
    noise: ClassVar[Sequence[str]] = ()  # the usual draws, standard normal (S, B, A)

    def __init__(
        self, params: Params, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__()
        del params
        self.spaces, self.seeds, self.updates = spaces, tuple(seeds), updates
        self.optimisers: dict[str, Adam] = {}
        self.weights: NDArray[np.float64] | None = None

    @abstractmethod
    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One gradient step of every network.

        Args:
            batch: See :class:`Batch`.
            step: Number of updates done before, 0...

        Returns:
            Losses and estimates for the curves, each (S,).
        """

    @abstractmethod
    def policy(self) -> Policy:
        """The trained policy, sharing this learner's tensors."""

    def critic(self) -> Critic | None:
        """The trained critics, sharing this learner's tensors.

        They are kept beside the policy for who asks them later, as attacks on a dataset
        do; None, the default, keeps none.
        """
        return None

    def draws(self) -> dict[str, Draw]:
        """Names of all the random numbers ``update`` takes, and what they are.

        By default those of ``noise``. The order counts: it tells their streams apart.
        """
        return {name: Draw() for name in self.noise}

    def rewards(self, reward: Tensor, returns: Tensor) -> Tensor:
        """The rewards it learns from; called once, before the first update.

        Args:
            reward: (N,), as logged.
            returns: (episodes,), undiscounted.

        Returns:
            (N,); by default as logged.
        """
        del returns
        return reward

    def rows(self, data: "Transitions") -> NDArray[np.int64] | None:
        """Which transitions it learns from; called before the first update.

        With ``weights`` these rows are drawn by their weights, which are scaled to add
        up to 1.

        Returns:
            Row numbers of ``data``, at least one; None, the default, for all.
        """
        del data
        return None

    def sampler(self, data: "Transitions", batch: int) -> Callable[[int], Any]:
        """What gives the batch of an update by its number.

        The default draws rows with replacement, evenly or by ``weights``; a learner
        that reads sequences has its own and gets from it what its ``update`` takes. It
        draws by ``weights`` too (``_data.odds``, ``_data.draw_rows``).

        Args:
            data: The dataset.
            batch: B.
        """
        from tasks.train.engine.minibatches import Sampler, odds, pack

        return Sampler(pack(self, data), self, batch, odds(self, data))

    def descend(self, name: str, loss: Tensor, clip: float = 0.0) -> None:
        """Step one optimiser down the gradient of the summed losses.

        Seeds share no parameter, so the sum's gradient is each seed's own. Only this
        optimiser's parameters get a gradient.

        Args:
            name: Which of ``optimisers``.
            loss: (S,), one a seed.
            clip: Largest norm of a seed's gradient, longer ones are shortened; 0: none.
        """
        optimiser = self.optimisers[name]
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss.sum(), parameters)
        if clip:
            gradients = _clipped(gradients, clip, len(self.seeds))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()  # fused Adam reads raw memory
        optimiser.step()

    def tensors(self) -> dict[str, Tensor]:
        """The full state for resuming: module tensors and optimiser moments."""
        state = dict(self.state_dict())
        for name, optimiser in self.optimisers.items():
            for i, moments in optimiser.state_dict()["state"].items():
                for key, value in moments.items():
                    state[f"optimiser/{name}/{i}/{key}"] = value
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`tensors` gave."""
        own = {k: v for k, v in state.items() if not k.startswith("optimiser/")}
        self.load_state_dict(own)
        for name, optimiser in self.optimisers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                if key.startswith(f"optimiser/{name}/"):
                    _, _, i, field_name = key.split("/")
                    moments.setdefault(int(i), {})[field_name] = value.clone()
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": moments, "param_groups": groups})


def _clipped(
    gradients: Sequence[Tensor], clip: float, seeds: int
) -> tuple[Tensor, ...]:
    """Each seed's gradient with a norm of at most ``clip``.

    Args:
        gradients: (S, ...) each, or (S * E, ...), seed by seed.
        clip: Positive.
        seeds: S.
    """
    flat = [g.reshape(seeds, -1) for g in gradients]
    norm = torch.stack([g.square().sum(1) for g in flat]).sum(0).sqrt()  # (S,)
    factor = (clip / (norm + 1e-6)).clamp(max=1)[:, None]
    return tuple(
        (part * factor).view(g.shape) for part, g in zip(flat, gradients, strict=True)
    )
