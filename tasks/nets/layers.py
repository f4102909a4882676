"""Stacked float layers and their seeding."""

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph


def generator(seed: int, name: str) -> torch.Generator:
    """A generator that depends on the seed and the name alone.

    So adding a network, or a seed, never changes another one's numbers.
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Weighted sum plus bias, x W + b: (S, B, I), (S, I, O), (S, 1, O) -> (S, B, O)."""
    if weight.shape[-1] == 1:  # as a matrix product several times slower
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True) + bias
    return torch.baddbmm(bias, x, weight)


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


class MLP(nn.Module):
    """Stacked multi-layer perceptron with ReLU between its layers.

    Args:
        seeds: One slice each.
        name: Enters the seeding, so that two networks of a learner differ.
        widths: (inputs, hidden..., outputs).
        members: Ensemble size E; the stack is then S*E, seed by seed.
    """

    def __init__(
        self, seeds: Sequence[int], name: str, widths: Sequence[int], members: int = 1
    ) -> None:
        super().__init__()
        self.members = members
        layers = [Linear(len(seeds) * members, i, o) for i, o in pairwise(widths)]
        generators = [generator(seed, name) for seed in seeds]
        for layer in layers:
            layer.initialise(generators)
        self.layers: Any = nn.ModuleList(layers)  # torch types its items too widely

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, inputs) -> (S, B, outputs), or (S, E, B, outputs) of an ensemble."""
        seeds = len(x)
        if self.members > 1:  # (S*E, B, inputs)
            x = x.unsqueeze(1).expand(-1, self.members, -1, -1).flatten(0, 1)
        for layer in self.layers[:-1]:
            x = torch.relu_(layer(x))
        x = self.layers[-1](x)
        if self.members > 1:
            return x.view(seeds, self.members, *x.shape[1:])
        return x

    def member(self, x: Tensor, e: int) -> Tensor:
        """One member of an ensemble alone: (S, B, inputs) -> (S, B, outputs)."""
        stack = slice(e, None, self.members)  # the stack lies seed by seed
        for i, layer in enumerate(self.layers):
            x = torch.relu_(x) if i else x
            weight = layer.get_parameter("weight")[stack]
            x = affine(x, weight, layer.get_parameter("bias")[stack])
        return x
