"""The network of Stream-x: its weights lie in one row a seed, as its steps need them.

Paper: Elsayed, Vasan, Mahmood 2024 (arXiv 2410.14606): layers of [linear, LayerNorm
without learned numbers, LeakyReLU], a linear last one, and a sparse start.

Shapes: S seeds, B rows, P weights.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.artifacts.seeding import generator
from tasks.nets.layers import Linear
from tasks.nets.streaming import between


class StreamingNetwork(nn.Module):
    """A perceptron whose weights are rows of one tensor.

    Args:
        seeds: S of them.
        widths: Inputs, hidden layers, outputs.
        normed: Whether a LayerNorm follows each hidden layer.
        sparsity: Share of each unit's incoming weights that start at 0.
        name: Told apart by their random start.

    Attributes:
        weights: (S, P).
        trace: (S, P), the eligibility of each.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        widths: Sequence[int],
        normed: bool,
        sparsity: float,
        name: str,
    ) -> None:
        super().__init__()
        self.shapes, self.normed = list(pairwise(widths)), normed
        rows = [self.start(generator(seed, name), sparsity) for seed in seeds]
        self.weights: Tensor
        self.trace: Tensor
        self.register_buffer("weights", torch.stack(rows))
        self.register_buffer("trace", torch.zeros_like(self.weights))

    def start(self, draw: torch.Generator, sparsity: float) -> Tensor:
        """First weights of a seed (P,): U(-1, 1) / sqrt(inputs), many 0; biases 0."""
        parts = []
        for inputs, outputs in self.shapes:
            weight = torch.rand(inputs, outputs, generator=draw) * 2 - 1
            weight /= math.sqrt(inputs)
            order = torch.rand(inputs, outputs, generator=draw).argsort(0).argsort(0)
            weight[order < math.ceil(sparsity * inputs)] = 0
            parts += [weight.flatten(), torch.zeros(outputs)]
        return torch.cat(parts)

    def split(self, weights: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weight (S, inputs, outputs) and bias (S, 1, outputs) of each layer."""
        sizes = [n for i, o in self.shapes for n in (i * o, o)]
        parts = torch.split(weights, sizes, dim=1)
        return [
            (parts[2 * at].view(-1, *shape), parts[2 * at + 1][:, None])
            for at, shape in enumerate(self.shapes)
        ]

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """(S, B, inputs) -> (S, B, outputs), by other weights if they are given."""
        *hidden, last = self.split(self.weights if weights is None else weights)
        for weight, bias in hidden:
            x = between(torch.baddbmm(bias, x, weight), self.normed)
        return torch.baddbmm(last[1], x, last[0])

    def layers(self, outputs: int) -> list[Linear]:
        """Its layers as those of a policy, of the last one so many outputs."""
        layers = []
        for weight, bias in self.split(self.weights):
            layer = Linear(len(weight), *weight.shape[1:])
            layer.weight.data, layer.bias.data = weight.clone(), bias.clone()
            layers.append(layer)
        last = layers[-1]
        last.outputs = outputs
        last.weight.data = last.weight.data[..., :outputs].clone()
        last.bias.data = last.bias.data[..., :outputs].clone()
        return layers


def softplus(x: Tensor) -> Tensor:
    """ln(1 + exp(x)), the deviation of a gaussian actor."""
    return functional.softplus(x)


def log_likelihood(outputs: Tensor, action: Tensor, discrete: bool) -> Tensor:
    """Log likelihood (S,) of an action (S, A) by an actor's outputs.

    Args:
        outputs: Logits (S, A), or means and raw deviations (S, 2A).
        action: One-hot, or not clipped.
        discrete: Which of both.
    """
    if discrete:
        return (outputs.log_softmax(1) * action).sum(1)
    mean, raw = outputs.chunk(2, dim=1)
    std = softplus(raw)
    z = (action - mean) / std
    return -(0.5 * z.square() + std.log() + 0.5 * math.log(2 * math.pi)).sum(1)


def entropy(outputs: Tensor, discrete: bool) -> Tensor:
    """Entropy (S,) of an actor's outputs, as of :func:`log_likelihood`."""
    if discrete:
        logs = outputs.log_softmax(1)
        return -(logs.exp() * logs).sum(1)
    std = softplus(outputs.chunk(2, dim=1)[1])
    return (std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum(1)
