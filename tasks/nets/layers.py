"""Stacked float layers."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.artifacts.seeding import generator
from tasks.nets.graph import Graph
from tasks.nets.perceptron import Pass, Weights, affine
from tasks.nets.perceptron import perceptron as stacked

# 1e-5 as ONNX holds it, which float64 tells from 1e-5
EPSILON = float(torch.tensor(1e-5))


def perceptron(x: Tensor, layers: Sequence["Linear"]) -> Tensor:
    """Layers with ReLU between: (S, B, inputs) -> (S, B, outputs)."""
    return stacked(x, weights_of(layers))


# looked up once, as asking modules for a dozen tensors takes longer than a small layer
_WEIGHTS: WeakKeyDictionary[nn.Module, Weights] = WeakKeyDictionary()


def weights_of(layers: Sequence["Linear"]) -> Weights:
    """Weights and biases of the layers of one network, and where they lie."""
    ends = layers[0]._parameters["weight"], layers[-1]._parameters["bias"]
    known = _WEIGHTS.get(layers[0])
    same = known and known.tensors[0] is ends[0] and known.tensors[-1] is ends[1]
    if known and same and known.hold:
        return known
    _WEIGHTS[layers[0]] = own = Weights(parameters_of(layers))
    return own


def parameters_of(layers: Sequence["Linear"]) -> list[Tensor]:
    """Weight and bias of each layer."""
    return [t for layer in layers for t in (layer.weight, layer.bias)]


class Linear(nn.Module):
    """A stack of fully connected layers, one batched product.

    Args:
        stack: Leading axis S (seeds, or seeds x members).
        inputs: Input width.
        outputs: Output width.

    Attributes:
        weight: (S, inputs, outputs), float32.
        bias: (S, 1, outputs), float32.
    """

    def __init__(self, stack: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.weight = nn.Parameter(torch.zeros(stack, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(stack, 1, outputs))

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw U(-1/sqrt(inputs), 1/sqrt(inputs)), as torch.nn.Linear does.

        Args:
            generators: One a slice, or one for several slices in a row (members of
                an ensemble); its length divides the stack.
        """
        bound = 1 / math.sqrt(self.inputs)
        with torch.no_grad():
            for tensor in (self.weight, self.bias):
                parts = tensor.chunk(len(generators))
                for part, draw in zip(parts, generators, strict=True):
                    part.uniform_(-bound, bound, generator=draw)

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, inputs) -> (S, B, outputs)."""
        return affine(x, self.weight, self.bias)

    def spec(self) -> dict[str, int | str]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.layers.Linear",
            "inputs": self.inputs,
            "outputs": self.outputs,
        }

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k`` to an ONNX graph as one Gemm; returns the output's name."""
        weight = graph.constant(f"{name}.weight", self.weight[k])
        bias = graph.constant(f"{name}.bias", self.bias[k, 0])
        return graph.add("Gemm", x, weight, bias, name=f"{name}.out")


class LayerNorm(nn.Module):
    """A stack of layer normalisations (Ba, Kiros, Hinton 2016, arXiv 1607.06450).

    Output = (x - mean) / sqrt(variance + 1e-5) * weight + bias, mean and variance over
    the units. ``MLP`` applies it itself.

    Args:
        stack: Leading axis S.
        units: H.

    Attributes:
        weight: (S, 1, H), at first ones.
        bias: (S, 1, H), at first zeros.
    """

    def __init__(self, stack: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(stack, 1, units))
        self.bias = nn.Parameter(torch.zeros(stack, 1, units))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, H) -> (S, B, H)."""
        return torch.addcmul(self.bias, standardise(x), self.weight)

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k``: (B, H) -> (B, H)."""
        weight = graph.constant(f"{name}.weight", self.weight[k, 0])
        bias = graph.constant(f"{name}.bias", self.bias[k, 0])
        return graph.add(
            "LayerNormalization",
            *(x, weight, bias),
            name=f"{name}.out",
            axis=-1,
            epsilon=EPSILON,
        )


def standardise(x: Tensor) -> Tensor:
    """Zero mean and unit variance over the units: (S, B, H) -> (S, B, H)."""
    return functional.layer_norm(x, x.shape[-1:], eps=EPSILON)


Tensors = Mapping[str, Tensor]


def in_double(
    module: nn.Module,
    call: Callable[..., tuple[Tensors, ...]],
    *inputs: Tensors,
) -> Any:
    """Call with float64 inputs and float64 forms of a module's numbers.

    Args:
        module: float32; its numbers come back as they were.
        call: A method of it.
        *inputs: Its arguments, float32, by name.

    Returns:
        What it returned, as float32.
    """
    module.double()
    try:
        wide = ({name: x.double() for name, x in side.items()} for side in inputs)
        results = call(*wide)
    finally:
        module.float()
    return tuple({name: x.float() for name, x in side.items()} for side in results)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "mish": functional.mish,
    "gelu": functional.gelu,
}


class MLP(nn.Module):
    """Stacked multi-layer perceptron with ReLU, Mish or GELU between its layers.

    | norm | after each hidden layer |
    |---|---|
    | ``none`` | activation |
    | ``before`` | LayerNorm, activation |
    | ``after`` | activation, LayerNorm |

    Args:
        seeds: One slice each.
        name: Enters the seeding, so that two networks of a learner differ.
        widths: (inputs, hidden..., outputs).
        members: Ensemble size E; the stack is then S*E, seed by seed.
        norm: Where its hidden layers are normalised.
        activation: ``relu``, ``mish`` or ``gelu``.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        name: str,
        widths: Sequence[int],
        members: int = 1,
        norm: str = "none",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if norm not in ("none", "before", "after"):
            raise ValueError(f"unknown norm {norm!r}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}")
        self.members, self.norm, self.activation = members, norm, activation
        layers = [Linear(len(seeds) * members, i, o) for i, o in pairwise(widths)]
        generators = [generator(seed, name) for seed in seeds]
        for layer in layers:
            layer.initialise(generators)
        self.layers: Any = nn.ModuleList(layers)  # torch types its items too widely
        # what kernels know; else None
        plain = norm == "none" and activation == "relu"
        self.plain: tuple[Linear, ...] | None = tuple(layers) if plain else None
        if norm != "none":
            stack = len(seeds) * members
            self.norms = nn.ModuleList(LayerNorm(stack, w) for w in widths[1:-1])

    def forward(self, *parts: Tensor) -> Tensor:
        """Outputs (S, B, outputs), or (S, E, B, outputs) of an ensemble.

        Args:
            *parts: The inputs (S, B, inputs), whole or in parts of their columns.
        """
        seeds = parts[0].shape[0]
        own = weights_of(self.plain) if self.plain else None
        if own and not torch.is_grad_enabled() and own.serve(parts[0]):
            return self.shaped(Pass(own, parts).forward(keep=False), seeds)
        x = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        if own:
            x = stacked(x, own)
        else:
            if self.members > 1:  # (S*E, B, inputs)
                x = x.unsqueeze(1).expand(-1, self.members, -1, -1).flatten(0, 1)
            x = self._through(x, lambda tensor: tensor)
        return self.shaped(x, seeds)

    def shaped(self, y: Tensor, seeds: int) -> Tensor:
        """(S * E, B, outputs) -> as :meth:`forward` returns it."""
        return y.view(seeds, self.members, *y.shape[1:]) if self.members > 1 else y

    def member(self, x: Tensor, e: int) -> Tensor:
        """One member of an ensemble alone: (S, B, inputs) -> (S, B, outputs)."""
        if self.plain:
            return stacked(x, weights_of(self.plain), e, self.members)
        stack = slice(e, None, self.members)  # the stack lies seed by seed
        return self._through(x, lambda tensor: tensor[stack])

    def _through(self, x: Tensor, cut: Callable[[Tensor], Tensor]) -> Tensor:
        """All layers, each tensor cut to the slices wanted.

        Weight and bias of a norm after ReLU go into the next layer's, which costs an
        operation a weight instead of one a unit and row.
        """
        for i, layer in enumerate(self.layers):
            weight = cut(layer.get_parameter("weight"))
            bias = cut(layer.get_parameter("bias"))
            if i and self.norm == "after":
                gain, shift = self._norm(i - 1, cut)
                bias = torch.baddbmm(bias, shift, weight)
                weight = weight * gain.transpose(1, 2)
            x = affine(x, weight, bias)
            if i == len(self.layers) - 1:
                break
            if self.norm == "before":
                gain, shift = self._norm(i, cut)
                x = torch.addcmul(shift, standardise(x), gain)
            x = ACTIVATIONS[self.activation](x)
            if self.norm == "after":
                x = standardise(x)
        return x.float()  # already, but for autocast's products

    def _norm(self, i: int, cut: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Weight and bias of a norm."""
        norm = self.norms[i]
        return cut(norm.get_parameter("weight")), cut(norm.get_parameter("bias"))
