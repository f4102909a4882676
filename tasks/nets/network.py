"""What policies and predictors have in common: a stack of networks, one slice a seed.

All parameters begin with an axis [S]; statistics and bounds are shared by the slices.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from tasks.artifacts.params import resolve
from tasks.nets.graph import Graph

AnyNetwork = TypeVar("AnyNetwork", bound="Network")


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


class Network(nn.Module, ABC):
    """What is trained, compressed and exported, with everything it needs inside."""

    @property
    @abstractmethod
    def seeds(self) -> int:
        """S, the length of the stack."""

    def carry(self) -> dict[str, Carried]:
        """What it hands to its next step; nothing by default."""
        return {}

    @abstractmethod
    def outputs(self) -> Mapping[str, Any]:
        """Names of what comes out of a step, the first of which matters most."""

    @abstractmethod
    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One step of B rows, just as the ONNX file does it.

        Args:
            inputs: By the names of ``inputs()``, (S, B, ...) each.
            carry: By the names of :meth:`carry`, (S, B, *shape) each.

        Returns:
            By the names of ``outputs()``, (S, B, ...) each, and the next carry.
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

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json; the tensors go to safetensors."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """One of the right shape, its tensors still zero.

        Args:
            spec: What :meth:`spec` gave.

        Raises:
            RefusedError: If it names a class outside ``tasks.nets``.
        """

    @abstractmethod
    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to an ONNX graph that has its inputs and its carry.

        Afterwards the graph has a value for every name of ``outputs()``, and
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


def take(network: AnyNetwork, k: int) -> AnyNetwork:
    """Slice ``k`` as a network of one seed, its tensors copied."""
    alone = network.from_spec({**network.spec(), "stack": 1})
    alone.load_state_dict(
        {
            name: tensor[k : k + 1] if stacked(name) else tensor
            for name, tensor in network.state_dict().items()
        }
    )
    return alone.requires_grad_(requires_grad=False)


def stack(networks: Sequence[AnyNetwork]) -> AnyNetwork:
    """Networks of one seed each, of the same shape, as one stack."""
    states = [network.state_dict() for network in networks]
    together = networks[0].from_spec({**networks[0].spec(), "stack": len(networks)})
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
    """Whether a tensor of a network's state has a slice a seed.

    Those of its layers have; statistics and bounds are the network's own.
    """
    return "." in name
