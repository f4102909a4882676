"""What every stage after training speaks of where somebody acts: a policy."""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tasks.nets.network import Carried, Network, build_layer, stack, stacked, take

__all__ = ["Carried", "Logged", "Policy", "build_layer", "stack", "stacked", "take"]


@dataclass(frozen=True)
class Logged:
    """N steps of a dataset with the T - 1 steps before each, oldest first.

    Steps before an episode's first are zeros.

    Attributes:
        observation: (N, T, O), units of the world.
        action: (N, T, A), units of the world.
        reward: (N, T), of the step itself.
        to_go: (N, T), rewards from the step to its episode's end, undiscounted.
        time: (N,), number of the last step in its episode, 0...
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    to_go: Tensor
    time: Tensor


class Policy(Network, ABC):
    """Observation -> action, with everything between them inside.

    The normaliser, the squashing and the scaling to the world's bounds belong to it.
    All parameters begin with an axis [S], one slice a seed; statistics and bounds are
    shared. What it reads beside ``observation`` it names in :meth:`inputs`:

    | input | shape | |
    |---|---|---|
    | ``observation`` | (S, B, O) | units of the world |
    | ``noise`` | (S, B, n * A) | standard normal to sample, zeros: without chance |
    | ``legal`` | (S, B, A) | 1.0 where an action is allowed |
    | ``reward`` | (S, B, 1) | of the step before, 0 when an episode begins |
    | ``descriptor`` | (S, B, D) | what the episode shall be like, units of the world |

    n is 1 but for a policy that takes several draws a step (``diffusion.py``). With
    which noise it is played ``acting`` says: ``zero`` or ``normal``.

    Args:
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world; of a discrete one zeros.
        action_high: (A,), upper action bounds; of a discrete one ones.
    """

    acting: ClassVar[str] = "zero"

    def __init__(
        self,
        observation_mean: Tensor,
        observation_std: Tensor,
        action_low: Tensor,
        action_high: Tensor,
    ) -> None:
        super().__init__()
        self.observation_mean: Tensor
        self.observation_std: Tensor
        self.action_scale: Tensor
        self.action_offset: Tensor
        self.register_buffer("observation_mean", observation_mean.float())
        self.register_buffer("observation_std", observation_std.float())
        self.register_buffer("action_scale", ((action_high - action_low) / 2).float())
        self.register_buffer("action_offset", ((action_high + action_low) / 2).float())

    @property
    def observation_width(self) -> int:
        """O."""
        return len(self.observation_mean)

    @property
    def action_width(self) -> int:
        """A."""
        return len(self.action_scale)

    @property
    def action_unit(self) -> Tensor:
        """Half the range of each action (A,), 1 of one that is locked: a divisor."""
        return torch.where(self.action_scale > 0, self.action_scale, 1.0)

    def normalise(self, observation: Tensor) -> Tensor:
        """(S, B, O) in units of the world -> the same, zero mean and unit variance."""
        return (observation - self.observation_mean) / self.observation_std

    def inputs(self) -> dict[str, int]:
        """Names and widths of what it reads at a step, of those in the table above."""
        return {"observation": self.observation_width}

    def ranges(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Lowest and highest values (width,) of inputs that no dataset holds.

        By the names of :meth:`inputs`; where the ONNX file is compared with the
        network, they are drawn evenly between. None by default.
        """
        return {}

    def outputs(self) -> dict[str, int | None]:
        """Names and widths of what comes out of a step, ``action`` first.

        None instead of a width: one whole number (int64), as of a discrete action.
        """
        return {"action": self.action_width}

    @property
    def discrete(self) -> bool:
        """Whether ``action`` is the number of one of A."""
        return self.outputs()["action"] is None

    @property
    def memory(self) -> int:
        """How many steps before the present one :meth:`recall` needs."""
        return 0

    def recall(self, logged: Logged) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What it would read and carry after what was logged, to be calibrated on.

        Args:
            logged: T = ``memory`` + 1 steps each.

        Returns:
            Inputs and carry of :meth:`step`, without the axis [S].
        """
        return {"observation": logged.observation[:, -1]}, {}
