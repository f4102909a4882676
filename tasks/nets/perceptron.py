"""Stacked perceptrons with ReLU between their layers, and their gradients.

| where | how |
|---|---|
| float32 on the CPU | :mod:`tasks.nets.kernels`, slice by slice |
| bfloat16 by autocast, float64, other devices | torch, layer by layer |

The first is one node of autograd's graph, which can be differentiated once.
Autograd asks a node for all its gradients, also where nobody wants those of the
weights: when an actor climbs its critics. So the weights have a node of their own,
whose place in the graph says whether they are wanted.

Shapes: S seeds, E members, K slices of a stack, B batch.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Weighted sum plus bias, x W + b: (S, B, I), (S, I, O), (S, 1, O) -> (S, B, O)."""
    if weight.shape[-1] == 1:  # as a matrix product several times slower
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True) + bias
    return torch.baddbmm(bias, x, weight)


def perceptron(
    x: Tensor, tensors: Sequence[Tensor], first: int = 0, every: int = 1
) -> Tensor:
    """Layers with ReLU between.

    Args:
        x: (X, B, I); a slice serves one or more slices of the stack in a row.
        tensors: Weight (stack, I, O) and bias (stack, 1, O) of each layer.
        first: Slices ``first``, ``first + every`` ... of the stack take part.
        every: >= 1.

    Returns:
        (K, B, O) of the K slices that take part.
    """
    plain = x.device.type == "cpu" and x.dtype == torch.float32
    if not plain or torch.is_autocast_enabled("cpu") or len(tensors) < 4:
        if every > 1:
            tensors = [t[first::every] for t in tensors]
        return _layer_by_layer(x, tensors)
    if not x.is_contiguous() or not all(t.is_contiguous() for t in tensors):
        x, tensors = x.contiguous(), [t.contiguous() for t in tensors]
    call = _Call(x, tensors[::2], first, every)
    learns = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    by_x = torch.is_grad_enabled() and x.requires_grad
    if not (learns or by_x):
        return call.forward(x, tensors, keep=False)[0]
    layers: Any = _Layers.apply
    if not (learns and by_x):
        return cast("Tensor", layers(call, x, None, *tensors))
    weights: Any = _Weights.apply
    anchor = weights(call, *tensors)
    return cast("Tensor", layers(call, x, anchor, *(t.detach() for t in tensors)))


def _layer_by_layer(x: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """As :func:`perceptron`, on any device and of any type."""
    if len(tensors[0]) > len(x):
        each = len(tensors[0]) // len(x)
        x = x.unsqueeze(1).expand(-1, each, -1, -1).flatten(0, 1)
    for i in range(0, len(tensors), 2):
        x = affine(torch.relu_(x) if i else x, *tensors[i : i + 2])
    return x.float() if x.dtype == torch.bfloat16 else x


class _Call:
    """What belongs to one call: which slices take part, and what its nodes share.

    Args:
        x: (X, B, I), contiguous.
        weights: Of each layer, contiguous.
        first: As of :func:`perceptron`.
        every: As there.
    """

    def __init__(
        self, x: Tensor, weights: Sequence[Tensor], first: int, every: int
    ) -> None:
        self.first, self.every, self.stack = first, every, len(weights[0])
        self.sources, self.rows, inputs = x.shape
        self.slices = len(range(first, self.stack, every))
        self.widths = [inputs, *(w.shape[2] for w in weights)]
        self.array = np.array(self.widths)
        if self.slices % self.sources or inputs != weights[0].shape[1]:
            raise ValueError(
                f"rows {tuple(x.shape)} for weights {tuple(weights[0].shape)}"
            )
        self.gradients: list[Tensor] = []

    def forward(
        self, x: Tensor, tensors: Sequence[Tensor], *, keep: bool
    ) -> tuple[Tensor, Tensor]:
        """Outputs (K, B, O), and room with what each layer but the last gave."""
        from tasks.nets import kernels

        kept = self.slices if keep else 1
        room = torch.empty(kept * self.rows * sum(self.widths[1:-1]))
        y = torch.empty(self.slices, self.rows, self.widths[-1])
        places = np.array([t.data_ptr() for t in (x, y, room, *tensors)])
        kernels.forward(
            *(places, self.array, self.sources, self.slices, self.rows),
            *(self.first, self.every, kept),
        )
        return y, room

    def backward(
        self,
        x: Tensor,
        above: Tensor,
        room: Tensor,
        weights: Sequence[Tensor],
        *,
        by_x: bool,
        learn: bool,
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Gradients by x (K, B, I) and by the weight and bias of each layer, if so."""
        from tasks.nets import kernels

        pairs = list(pairwise(self.widths))
        sizes = [self.stack * n for i, o in pairs for n in (i * o, o)]
        above, slope, by = above.contiguous(), None, None
        if learn:
            by = (torch.empty if self.every == 1 else torch.zeros)(sum(sizes))
        if by_x:
            slope = torch.empty(self.slices, self.rows, self.widths[0])
        spare = torch.empty(2 * self.rows * max(self.widths))
        places = [0 if t is None else t.data_ptr() for t in (slope, by)]
        places = [x.data_ptr(), above.data_ptr(), room.data_ptr(), *places]
        places += [spare.data_ptr(), *(w.data_ptr() for w in weights)]
        kernels.backward(
            *(np.array(places), self.array, self.stack, self.sources, self.slices),
            *(self.rows, self.first, self.every),
        )
        if slope is not None and self.slices > self.sources:
            slope = slope.view(self.sources, -1, *slope.shape[1:]).sum(1)
        if by is None:
            return slope, []
        shapes = [(self.stack, n, o) for i, o in pairs for n in (i, 1)]
        parts = zip(torch.split(by, sizes), shapes, strict=True)
        return slope, [part.view(shape) for part, shape in parts]


class _Layers(torch.autograd.Function):
    """All layers as one node; the gradient by weights may go to another one."""

    @staticmethod
    def forward(
        ctx: Any, call: _Call, x: Tensor, anchor: Tensor | None, *tensors: Tensor
    ) -> Tensor:
        """(X, B, I), and weight and bias of each layer -> (K, B, O)."""
        y, room = call.forward(x, tensors, keep=True)
        ctx.save_for_backward(x, room, *tensors[::2])
        ctx.call, ctx.anchor = call, anchor.grad_fn if anchor is not None else None
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        """Gradient of the output -> of x, and of weights and biases."""
        x, room, *weights = ctx.saved_tensors
        _, by_x, by_anchor, *rest = ctx.needs_input_grad
        learn = any(rest)
        if by_anchor:
            learn = torch._C._will_engine_execute_node(ctx.anchor)
        call: _Call = ctx.call
        slope, gradients = call.backward(
            x, above, room, weights, by_x=by_x, learn=learn
        )
        if by_anchor:
            call.gradients = gradients
            return None, slope, torch.zeros(()), *(None for _ in rest)
        return None, slope, None, *(gradients or (None for _ in rest))


class _Weights(torch.autograd.Function):
    """Where the gradient by weights goes if x needs one too."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> Tensor:
        """Nothing, in a place of the graph that depends on the tensors."""
        del tensors
        ctx.call = call
        return torch.zeros(())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        """What the layers' node left here."""
        del above
        return None, *ctx.call.gradients
