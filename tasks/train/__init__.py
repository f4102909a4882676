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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from tasks.artifacts.params import Params
from tasks.nets.policy import Policy

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions


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
    """

    observation_mean: Tensor
    observation_std: Tensor
    action_low: Tensor
    action_high: Tensor
    discrete: bool = False
    masked: bool = False

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
        action: (S, B, A), in [-1, 1], or one-hot.
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


# What a learner may ask for beside the fields of a batch, (S, B, A) each:
COLUMNS = (
    "next_action",  # logged at the next observation; zeros where none was
    "legal",  # 1.0 where an action is allowed, all ones in a world without a mask
    "next_legal",  # the same at the next observation
)


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
        from tasks.train._data import Sampler, odds, pack

        return Sampler(pack(self, data), self, batch, odds(self, data))

    def descend(self, name: str, loss: Tensor) -> None:
        """Step one optimiser down the gradient of the summed losses.

        Seeds share no parameter, so the sum's gradient is each seed's own. Only this
        optimiser's parameters get a gradient.

        Args:
            name: Which of ``optimisers``.
            loss: (S,), one a seed.
        """
        optimiser = self.optimisers[name]
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss.sum(), parameters)
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
