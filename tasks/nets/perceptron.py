"""Stacked perceptrons with ReLU between their layers, and their gradients.

| where | how |
|---|---|
| float32 on the CPU | :mod:`tasks.nets.kernels`, slice by slice |
| bfloat16 by autocast, float64, other devices | torch, layer by layer |

The first is one node of autograd's graph, which can be differentiated once.
Autograd asks a node for all its gradients, also where nobody wants those of the
weights: when an actor climbs its critics. So the weights have a node of their own,
whose place in the graph says whether they are wanted. Where only one network learns,
``fitting.py`` goes there and back without autograd.

Shapes: S seeds, E members, K slices of a stack, B batch.
"""

import threading
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor


class _Spare(threading.local):
    """Room for passing use, by its kind, of this thread alone."""

    def __init__(self) -> None:
        self.rooms: dict[str, Tensor] = {}

    def get(self, kind: str, size: int) -> Tensor:
        """Room that the next call of the same kind may overwrite, (at least size,)."""
        room = self.rooms.get(kind)
        if room is None or room.numel() < size:
            room = self.rooms[kind] = torch.empty(size)
        return room


_SPARE = _Spare()


@cache
def kernels() -> Any:
    """The compiled loops, whose import takes a moment."""
    from tasks.nets import kernels as loops

    return loops


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Weighted sum plus bias, x W + b: (S, B, I), (S, I, O), (S, 1, O) -> (S, B, O)."""
    if weight.shape[-1] == 1:  # as a matrix product several times slower
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True) + bias
    return torch.baddbmm(bias, x, weight)


class Weights:
    """Weight (stack, I, O) and bias (stack, 1, O) of each layer, and where they lie.

    Args:
        tensors: In their order.

    Attributes:
        stack: Slices.
        widths: Of the input, and of what each layer gives.
        compiled: Whether kernels may read them: float32, on the CPU, two layers or
            more, without gaps.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors
        self.stack = len(tensors[0])
        self.widths = [tensors[0].shape[1], *(w.shape[2] for w in tensors[::2])]
        self.hidden, self.widest = sum(self.widths[1:-1]), max(self.widths)
        self.array = np.array(self.widths)
        self.places = np.array([t.data_ptr() for t in tensors])
        self.ends = tensors[0].data_ptr(), tensors[-1].data_ptr()
        self.compiled = len(tensors) > 2 and all(
            t.dtype == torch.float32 and t.device.type == "cpu" and t.is_contiguous()
            for t in tensors
        )

    @property
    def hold(self) -> bool:
        """Whether they still lie where they did: a module may have been moved."""
        ends = self.tensors[0].data_ptr(), self.tensors[-1].data_ptr()
        return ends == self.ends

    def serve(self, x: Tensor) -> bool:
        """Whether kernels may do it here and now, of rows like these."""
        plain = self.compiled and x.is_cpu and x.dtype == torch.float32
        return plain and not torch.is_autocast_enabled("cpu")


def perceptron(
    x: Tensor, tensors: Sequence[Tensor] | Weights, first: int = 0, every: int = 1
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
    own = tensors if isinstance(tensors, Weights) else Weights(tensors)
    if not own.serve(x):
        return _layer_by_layer(x, [t[first::every] for t in own.tensors])
    call = Pass(own, [x], first, every)
    grad = torch.is_grad_enabled()
    learns = grad and any(t.requires_grad for t in own.tensors)
    by_x = grad and x.requires_grad
    if not (learns or by_x):
        return call.forward(keep=False)
    layers: Any = _Layers.apply
    if not (learns and by_x):
        return cast("Tensor", layers(call, x, None, *own.tensors))
    weights: Any = _Weights.apply
    anchor = weights(call, *own.tensors)
    return cast("Tensor", layers(call, x, anchor, *(t.detach() for t in own.tensors)))


def _layer_by_layer(x: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """As :func:`perceptron`, on any device and of any type."""
    if len(tensors[0]) > len(x):
        each = len(tensors[0]) // len(x)
        x = x.unsqueeze(1).expand(-1, each, -1, -1).flatten(0, 1)
    for i in range(0, len(tensors), 2):
        x = affine(torch.relu_(x) if i else x, *tensors[i : i + 2])
    return x.float() if x.dtype == torch.bfloat16 else x


class Pass:
    """One way through the slices that take part: forward, and perhaps back.

    Args:
        weights: Which kernels may read.
        parts: The input (X, B, I), whole or in parts of its columns; float32, on the
            CPU.
        first: As of :func:`perceptron`.
        every: As there.

    Raises:
        ValueError: If the weights are for other rows.
    """

    def __init__(
        self,
        weights: Weights,
        parts: Sequence[Tensor],
        first: int = 0,
        every: int = 1,
    ) -> None:
        self.weights, self.first, self.every = weights, first, every
        self.sources, self.rows, _ = parts[0].shape
        self.slices = (weights.stack - first + every - 1) // every
        # what lies in memory where the kernels look has to stay there
        self.inputs = [x if x.stride(2) == 1 else x.contiguous() for x in parts]
        lie = [(x.data_ptr(), x.shape[2], *x.stride()[:2]) for x in self.inputs]
        self.parts = np.array(lie)
        inputs = sum(width for _, width, *_ in lie)
        if self.slices % self.sources or inputs != weights.widths[0]:
            shapes = [tuple(x.shape) for x in parts]
            raise ValueError(f"rows {shapes} for weights of {weights.widths[0]} inputs")
        self.gradients: list[Tensor] = []

    def forward(self, *, keep: bool) -> Tensor:
        """Outputs (K, B, O); what lies between layers is kept for the way back."""
        own = self.weights
        kept = self.slices if keep else 1
        size = kept * self.rows * own.hidden
        self.room = torch.empty(size) if keep else _SPARE.get("hidden", size)
        y = torch.empty(self.slices, self.rows, own.widths[-1])
        kernels().forward(
            *(own.places, own.array, self.parts, y.data_ptr(), self.room.data_ptr()),
            *(self._spare(), self.sources, self.slices, self.rows),
            *(self.first, self.every, kept),
        )
        return y

    def _spare(self) -> int:
        size = 3 * self.rows * self.weights.widest
        return _SPARE.get("passing", size).data_ptr()

    def backward(
        self, above: Tensor, by_input: Tensor | None, by_weights: Tensor | None
    ) -> None:
        """Go back, once or more often.

        Args:
            above: Gradient of the output, (K, B, O), contiguous.
            by_input: Gets the gradient of the input, (K, B, I), contiguous, if so.
            by_weights: Gets those of weight and bias of each layer, one after the
                other, (P,), if so; of slices that took no part it keeps its numbers.
        """
        own = self.weights
        kernels().backward(
            *(own.places, own.array, self.parts),
            *(above.data_ptr(), self.room.data_ptr()),
            0 if by_input is None else by_input.data_ptr(),
            0 if by_weights is None else by_weights.data_ptr(),
            *(self._spare(), own.stack, self.sources, self.slices, self.rows),
            *(self.first, self.every),
        )

    def back(
        self, above: Tensor, *, by_x: bool, learn: bool
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Gradients of the input (X, B, I) and of each weight and bias, if so."""
        own = self.weights
        pairs = list(pairwise(own.widths))
        sizes = [own.stack * n for i, o in pairs for n in (i * o, o)]
        slope, by = None, None
        if learn:
            by = (torch.empty if self.every == 1 else torch.zeros)(sum(sizes))
        if by_x:
            slope = torch.empty(self.slices, self.rows, own.widths[0])
        self.backward(above.contiguous(), slope, by)
        if slope is not None and self.slices > self.sources:
            slope = slope.view(self.sources, -1, *slope.shape[1:]).sum(1)
        if by is None:
            return slope, []
        shapes = [(own.stack, n, o) for i, o in pairs for n in (i, 1)]
        parts = zip(torch.split(by, sizes), shapes, strict=True)
        return slope, [part.view(shape) for part, shape in parts]


class _Layers(torch.autograd.Function):
    """All layers as one node; the gradient by weights may go to another one."""

    @staticmethod
    def forward(
        ctx: Any, call: Pass, x: Tensor, anchor: Tensor | None, *tensors: Tensor
    ) -> Tensor:
        """(X, B, I), and weight and bias of each layer -> (K, B, O)."""
        y = call.forward(keep=True)
        ctx.save_for_backward(x, *tensors[::2])
        ctx.call, ctx.anchor = call, anchor.grad_fn if anchor is not None else None
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        """Gradient of the output -> of x, and of weights and biases."""
        _ = ctx.saved_tensors  # which refuses weights that have moved since
        _, by_x, by_anchor, *rest = ctx.needs_input_grad
        learn = any(rest)
        if by_anchor:
            learn = torch._C._will_engine_execute_node(ctx.anchor)
        call: Pass = ctx.call
        slope, gradients = call.back(above, by_x=by_x, learn=learn)
        if by_anchor:
            call.gradients = gradients
            return None, slope, torch.zeros(()), *(None for _ in rest)
        return None, slope, None, *(gradients or (None for _ in rest))


class _Weights(torch.autograd.Function):
    """Where the gradient by weights goes if x needs one too."""

    @staticmethod
    def forward(ctx: Any, call: Pass, *tensors: Tensor) -> Tensor:
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
