"""What every stage after training speaks of: a policy."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

from tasks.artifacts.params import resolve
from tasks.nets.graph import Graph

AnyPolicy = TypeVar("AnyPolicy", bound="Policy")


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


class Policy(nn.Module, ABC):
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

    def linears(self) -> dict[str, nn.Module]:
        """Its layers of weights that a compressor may replace, in the order they run.

        By the names of ``get_submodule``; none by default.
        """
        return {}

    @property
    def calls(self) -> int:
        """How often each of :meth:`linears` runs at a step."""
        return 1

    def replace_linears(self, layers: Mapping[str, nn.Module]) -> None:
        """Put others in the places of :meth:`linears`."""
        for name, layer in layers.items():
            self.set_submodule(name, layer)

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


def build_layer(entry: Mapping[str, Any], stack: int) -> nn.Module:
    """A layer of what its ``spec`` gave, its tensors still zero.

    Raises:
        RefusedError: If it names a class outside ``tasks.nets``.
    """
    arguments = {k: v for k, v in entry.items() if k != "class"}
    kind = resolve(entry["class"], "policy.layers", package="tasks.nets.")
    layer: nn.Module = kind(stack, **arguments)
    return layer


def take(policy: AnyPolicy, k: int) -> AnyPolicy:
    """Slice ``k`` as a policy of one seed, its tensors copied."""
    alone = policy.from_spec({**policy.spec(), "stack": 1})
    alone.load_state_dict(
        {
            name: tensor[k : k + 1] if stacked(name) else tensor
            for name, tensor in policy.state_dict().items()
        }
    )
    return alone.requires_grad_(requires_grad=False)


def stack(policies: Sequence[AnyPolicy]) -> AnyPolicy:
    """Policies of one seed each, of the same shape, as one stack."""
    states = [policy.state_dict() for policy in policies]
    together = policies[0].from_spec({**policies[0].spec(), "stack": len(policies)})
    together.load_state_dict(
        {
            name: torch.cat([state[name] for state in states])
            if stacked(name)
            else tensor
            for name, tensor in states[0].items()
        }
    )
    return together.requires_grad_(requires_grad=False)


def stacked(name: str) -> bool:
    """Whether a tensor of a policy's state has a slice a seed.

    Those of its layers have; statistics and bounds are the policy's own.
    """
    return "." in name
