"""What every stage after training speaks of: a policy."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from tasks.nets.graph import Graph


@dataclass(frozen=True)
class Carried:
    """A tensor a policy hands from one step of an episode to the next.

    In the ONNX graph it is an input of this name and an output ``next_<name>``.

    Attributes:
        shape: Of one episode, without the batch axis.
        reset: What fills it when an episode begins.
    """

    shape: tuple[int, ...]
    reset: float = 0.0


class Policy(nn.Module, ABC):
    """Observation -> action, with everything between them inside.

    The normaliser, the squashing and the scaling to the world's bounds belong to it.
    All parameters begin with an axis [S], one slice a seed; statistics and bounds are
    shared. What it reads beside ``observation`` it names in :meth:`inputs`:

    | input | shape | |
    |---|---|---|
    | ``observation`` | (S, B, O) | units of the world |
    | ``noise`` | (S, B, A) | standard normal to sample, zeros to act without chance |
    | ``legal`` | (S, B, A) | 1.0 where an action is allowed |
    | ``reward`` | (S, B, 1) | of the step before, 0 when an episode begins |

    Args:
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world; of a discrete one zeros.
        action_high: (A,), upper action bounds; of a discrete one ones.
    """

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
    @abstractmethod
    def seeds(self) -> int:
        """S, the length of the stack."""

    @property
    def observation_width(self) -> int:
        """O."""
        return len(self.observation_mean)

    @property
    def action_width(self) -> int:
        """A."""
        return len(self.action_scale)

    def normalise(self, observation: Tensor) -> Tensor:
        """(S, B, O) in units of the world -> the same, zero mean and unit variance."""
        return (observation - self.observation_mean) / self.observation_std

    def inputs(self) -> dict[str, int]:
        """Names and widths of what it reads at a step; see the table above."""
        return {"observation": self.observation_width}

    def outputs(self) -> dict[str, int | None]:
        """Names and widths of what comes out of a step, ``action`` first.

        None instead of a width: one whole number (int64), as of a discrete action.
        """
        return {"action": self.action_width}

    @property
    def discrete(self) -> bool:
        """``action`` is one of A, told by its number."""
        return self.outputs()["action"] is None

    def carry(self) -> dict[str, Carried]:
        """What it hands to its next step; nothing by default."""
        return {}

    @abstractmethod
    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One step of B episodes, just as the ONNX file does it.

        Args:
            inputs: By the names of :meth:`inputs`, (S, B, width) each.
            carry: By the names of :meth:`carry`, (S, B, *shape) each.

        Returns:
            By the names of :meth:`outputs`, (S, B, width) each or (S, B), and the
            next carry.
        """

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json; the tensors go to safetensors."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """A policy of the right shape, its tensors still zero.

        Args:
            spec: What :meth:`spec` gave.

        Raises:
            RefusedError: If it names a class outside ``tasks.nets``.
        """

    @abstractmethod
    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to an ONNX graph that has its inputs and its carry.

        Afterwards the graph has a value for every name of :meth:`outputs`, and
        ``next_<name>`` for every name of :meth:`carry`.
        """
