"""Policies that look at a picture: a small residual network, seen from outside.

He et al. 2016 (arXiv 1512.03385). Which step follows which is written down once, in
:func:`through`; networks of floats and of integers, a simulation of the second and the
ONNX graph of each are sets of :class:`Steps`.

    stem
    block 0: first, second           beside it: the block's input
    block 1, 2, ...: first, second   beside it: shortcut; half the picture's side
    mean over all places, head

Shapes: S seeds, B batch, C channels, Y rows and X columns of a picture.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.nets.ends import emit_normalised
from tasks.nets.graph import Graph
from tasks.nets.policy import Policy

T = TypeVar("T")


class Steps(Protocol[T]):
    """What each step does with what it is given: tensors, or names of a graph."""

    def unit(self, name: str, x: T) -> T:
        """Weights, and what belongs to them."""

    def active(self, name: str, x: T) -> T:
        """What follows a unit, or a block's sum."""

    def skip(self, name: str, x: T) -> T:
        """A block's input as it goes beside the block."""

    def add(self, name: str, x: T, beside: T) -> T:
        """A block's sum."""

    def pool(self, x: T) -> T:
        """Mean over all places: (..., C, Y, X) -> (..., C)."""


def through(blocks: int, x: T, steps: Steps[T]) -> T:
    """The whole network: a picture -> the head's output.

    Args:
        blocks: How many.
        x: The normalised picture, a tensor or a name in a graph.
        steps: What each step does.
    """
    x = steps.active("stem", steps.unit("stem", x))
    for i in range(blocks):
        at = f"block{i}"
        y = steps.active(f"{at}_first", steps.unit(f"{at}_first", x))
        y = steps.unit(f"{at}_second", y)
        beside = steps.unit(f"{at}_shortcut", x) if i else steps.skip(at, x)
        x = steps.active(at, steps.add(at, y, beside))
    return steps.unit("head", steps.pool(x))


def plan(channels: int, widths: Sequence[int]) -> dict[str, tuple[int, int, int, int]]:
    """Units by name: channels in, channels out, side of the kernel, stride.

    Args:
        channels: Of the picture.
        widths: Channels of each block.
    """
    units = {"stem": (channels, widths[0], 3, 1)}
    before = widths[0]
    for i, width in enumerate(widths):
        stride = 2 if i else 1
        units[f"block{i}_first"] = (before, width, 3, stride)
        units[f"block{i}_second"] = (width, width, 3, 1)
        if i:
            units[f"block{i}_shortcut"] = (before, width, 1, stride)
        before = width
    return units


class Residual(Policy):
    """Normaliser -> residual network -> logits; its action is the largest one's number.

    Args:
        image: C, Y, X; an observation is such a picture, channel by channel.
        widths: Channels of each block.
        units: The layers by the names of :func:`plan`, and ``head``.
        observation_mean: (C Y X,), units of the world.
        observation_std: (C Y X,), same units, positive.
        actions: A.

    Raises:
        RefusedError: If an observation is no such picture.
    """

    def __init__(
        self,
        image: Sequence[int],
        widths: Sequence[int],
        units: Mapping[str, nn.Module],
        observation_mean: Tensor,
        observation_std: Tensor,
        actions: int,
    ) -> None:
        bounds = torch.zeros(actions), torch.ones(actions)
        super().__init__(observation_mean, observation_std, *bounds)
        self.image, self.widths = tuple(image), tuple(widths)
        self.units: Any = nn.ModuleDict(units)
        check_image(self.image, self.observation_width)

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return int(self.units["head"].stack)

    def picture(self, observation: Tensor) -> Tensor:
        """(S, B, C Y X), units of the world -> normalised pictures (S, B, C, Y, X)."""
        return as_pictures(self.normalise(observation), self.image)

    @abstractmethod
    def logits(self, picture: Tensor) -> Tensor:
        """Normalised pictures (S, B, C, Y, X) -> (S, B, A)."""

    def forward(self, observation: Tensor) -> Tensor:
        """(S, B, C Y X), units of the world -> number of the action (S, B), int64."""
        return self.logits(self.picture(observation)).argmax(-1)

    def outputs(self) -> dict[str, int | None]:
        """``action``, a number, and ``logits``."""
        return {"action": None, "logits": self.action_width}

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes; it carries nothing."""
        del carry
        logits = self.logits(self.picture(inputs["observation"]))
        return {"action": logits.argmax(-1), "logits": logits}, {}

    def linears(self) -> dict[str, nn.Module]:
        """Its layers, in the order they run, by the names of ``get_submodule``."""
        return {f"units.{name}": unit for name, unit in self.units.items()}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": f"{type(self).__module__}.{type(self).__name__}",
            "stack": self.seeds,
            "image": list(self.image),
            "widths": list(self.widths),
            "action": self.action_width,
        }

    @abstractmethod
    def graph_steps(self, graph: Graph, k: int) -> Steps[str]:
        """What adds the steps of seed slice ``k`` to a graph."""

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs."""
        statistics = self.observation_mean, self.observation_std
        x = emit_normalised(graph, "observation", *statistics)
        shape = graph.constant("image", np.array([-1, *self.image], np.int64))
        x = graph.add("Reshape", x, shape, name="picture")
        x = through(len(self.widths), x, self.graph_steps(graph, k))
        graph.add("Identity", x, name="logits")
        graph.add("ArgMax", "logits", name="action", axis=1, keepdims=0)


class GraphSteps:
    """Steps that add nodes to a graph, as far as they are the same everywhere.

    Args:
        policy: Whose layers.
        graph: Gets the nodes.
        k: The seed slice.
    """

    def __init__(self, policy: Residual, graph: Graph, k: int) -> None:
        self.policy, self.graph, self.k = policy, graph, k

    def unit(self, name: str, x: str) -> str:
        """The layer's own nodes."""
        out: str = self.policy.units[name].emit(self.graph, x, self.k, name)
        return out

    def active(self, name: str, x: str) -> str:
        """ReLU."""
        return self.graph.add("Relu", x, name=f"{name}.relu")

    def skip(self, name: str, x: str) -> str:
        """The block's input as it is."""
        del name
        return x

    def add(self, name: str, x: str, beside: str) -> str:
        """The sum."""
        return self.graph.add("Add", x, beside, name=f"{name}.sum")

    def pool(self, x: str) -> str:
        """Mean over all places."""
        x = self.graph.add("GlobalAveragePool", x, name="pooled")
        return self.graph.add("Flatten", x, name="features")


class TorchSteps:
    """Steps of tensors, as far as they are the same everywhere.

    Args:
        policy: Whose layers.
    """

    def __init__(self, policy: Residual) -> None:
        self.policy = policy

    def unit(self, name: str, x: Tensor) -> Tensor:
        """The layer: (S, B, C, Y, X) or (S, B, I) -> the same of other widths."""
        out: Tensor = self.policy.units[name](x)
        return out

    def active(self, name: str, x: Tensor) -> Tensor:
        """ReLU."""
        del name
        return torch.relu(x)

    def skip(self, name: str, x: Tensor) -> Tensor:
        """The block's input as it is."""
        del name
        return x

    def add(self, name: str, x: Tensor, beside: Tensor) -> Tensor:
        """The sum."""
        del name
        return x + beside

    def pool(self, x: Tensor) -> Tensor:
        """Mean over all places: (S, B, C, Y, X) -> (S, B, C)."""
        return x.mean((-2, -1))


def as_pictures(x: Tensor, image: Sequence[int]) -> Tensor:
    """(S, B, C Y X) -> (S, B, C, Y, X)."""
    return x.reshape(*x.shape[:-1], *image)


def check_image(image: Sequence[int], observation: int) -> None:
    """Refuse an observation that is no picture of this shape.

    Raises:
        RefusedError: If the numbers do not multiply to the observation's width.
    """
    if int(np.prod(image)) != observation:
        raise RefusedError(
            "policy",
            "image",
            f"{list(image)}, {int(np.prod(image))} numbers",
            f"the shape of an observation of {observation} numbers",
            "give the shape of the world's pictures, or take another learner",
        )
