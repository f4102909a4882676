"""Stacked perceptrons with ReLU between their layers, and their gradients.

| where | how |
|---|---|
| float32 on the CPU | :mod:`tasks.nets.kernels`, slice by slice |
| bfloat16 by autocast | torch's products, rounded copies of the weights |
| elsewhere | torch, layer by layer |

The first two are one node of autograd's graph, which can be differentiated once.
Autograd asks a node for all its gradients, also where nobody wants those of the
weights: when an actor climbs its critics. So the weights have a node of their own,
whose place in the graph says whether they are wanted.

Shapes: S seeds, E members, K slices of a stack, B batch.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

NOTHING = np.empty((0, 0, 0), np.float32)


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
    half = torch.is_autocast_enabled("cpu")
    if x.device.type != "cpu" or x.dtype != torch.float32 or len(tensors) < 4:
        return _layer_by_layer(x, [t[first::every] for t in tensors])
    if half:
        return _layer_by_layer(x, [t[first::every] for t in tensors])
    weights, biases = tensors[::2], tensors[1::2]
    learns = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    if not (learns or (torch.is_grad_enabled() and x.requires_grad)):
        return _forward(x, weights, biases, first, every, keep=False)[0]
    call = _Call(first, every)
    apply: Any = _Layers.apply
    if not x.requires_grad:
        return cast("Tensor", apply(call, x, None, *tensors))
    if not learns:
        return cast("Tensor", apply(call, x, None, *(t.detach() for t in tensors)))
    leaves: Any = _Weights.apply
    anchor = leaves(call, *tensors)
    return cast("Tensor", apply(call, x, anchor, *(t.detach() for t in tensors)))


def _layer_by_layer(x: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """As :func:`perceptron`, on any device and of any type."""
    if len(tensors[0]) > len(x):
        x = x.repeat_interleave(len(tensors[0]) // len(x), 0)
    for i in range(0, len(tensors), 2):
        x = affine(torch.relu_(x) if i else x, *tensors[i : i + 2])
    return x.float() if x.dtype == torch.bfloat16 else x


class _Call:
    """What the two nodes of a call share."""

    def __init__(self, first: int, every: int) -> None:
        self.first, self.every = first, every
        self.gradients: list[Tensor] = []


def _arrays(tensors: Sequence[Tensor]) -> tuple[Any, ...]:
    return tuple(t.detach().contiguous().numpy() for t in tensors)


def _forward(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    first: int,
    every: int,
    *,
    keep: bool,
) -> tuple[Tensor, list[Tensor]]:
    """Outputs (K, B, O), and what each layer but the last gave, if kept."""
    from tasks.nets import kernels

    slices, rows = len(range(first, len(weights[0]), every)), x.shape[1]
    kept = slices if keep else 1
    hidden = [torch.empty(kept, rows, w.shape[2]) for w in weights[:-1]]
    y = torch.empty(slices, rows, weights[-1].shape[2])
    kernels.forward(
        x.detach().contiguous().numpy(),
        _arrays(weights),
        _arrays(biases),
        tuple(h.numpy() for h in hidden),
        y.numpy(),
        first,
        every,
    )
    return y, hidden


class _Layers(torch.autograd.Function):
    """All layers as one node; the gradient by weights may go to another one."""

    @staticmethod
    def forward(
        ctx: Any, call: _Call, x: Tensor, anchor: Tensor | None, *tensors: Tensor
    ) -> Tensor:
        """(X, B, I), and weight and bias of each layer -> (K, B, O)."""
        weights, biases = tensors[::2], tensors[1::2]
        x = x.detach().contiguous()
        first, every = call.first, call.every
        y, hidden = _forward(x, weights, biases, first, every, keep=True)
        ctx.save_for_backward(x, *weights, *hidden)
        ctx.call, ctx.anchor = call, anchor.grad_fn if anchor is not None else None
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        """Gradient of the output -> of x, and of weights and biases."""
        from tasks.nets import kernels

        x, *saved = ctx.saved_tensors
        count = len(saved) // 2 + 1
        weights, hidden = saved[:count], saved[count:]
        _, by_x, by_anchor, *rest = ctx.needs_input_grad
        learn = any(rest)
        if by_anchor:
            learn = torch._C._will_engine_execute_node(ctx.anchor)
        call: _Call = ctx.call
        gradients: list[Tensor] = []
        if learn:
            make = torch.empty if call.every == 1 else torch.zeros
            for weight in weights:
                stack, _, outputs = weight.shape
                gradients += [make(weight.shape), make(stack, 1, outputs)]
        slices, rows = above.shape[:2]
        slope = torch.empty(slices, rows, x.shape[2]) if by_x else None
        none = (NOTHING,) * count
        kernels.backward(
            x.numpy(),
            _arrays(weights),
            _arrays(hidden),
            above.contiguous().numpy(),
            call.first,
            call.every,
            tuple(g.numpy() for g in gradients[::2]) if learn else none,
            tuple(g.numpy() for g in gradients[1::2]) if learn else none,
            NOTHING if slope is None else slope.numpy(),
            tuple(np.empty(h.shape[1:], np.float32) for h in hidden),
        )
        if slope is not None and slices > len(x):
            slope = slope.view(len(x), -1, *slope.shape[1:]).sum(1)
        if by_anchor:
            call.gradients, gradients = gradients, []
        if not any(rest):
            gradients = [None] * (2 * count)  # type: ignore[list-item]
        return None, slope, torch.zeros(()) if by_anchor else None, *gradients


class _Weights(torch.autograd.Function):
    """Where the gradient by weights goes if x needs one too."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> Tensor:
        ctx.call, ctx.count = call, len(tensors)
        return torch.zeros(())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        del above
        return None, *ctx.call.gradients
