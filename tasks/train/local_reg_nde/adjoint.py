"""The gradient of an ODE's end by its adjoint, the solver being a black box.

Of u' = f(u, t) from u(0) to u(T) and a loss L of u(T), with a = dL/du(T) at the end,
backwards in time

    u' = f(u, t)     a' = -a^T df/du     g' = -a^T df/dtheta, g(T) = 0

by the same adaptive solver, and dL/dtheta = g(0). As is usual, u and a alone hold its
steps to the tolerance: g is a sum along the way and feeds back on nothing.

Source: Chen et al. 2018, "Neural Ordinary Differential Equations", arXiv 1806.07366;
the error without g, Kidger, Chen, Lyons 2021, arXiv 2009.09457.

Shapes: S seeds, B batch, D numbers of a row's state, P parameters of a seed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.nets.tsit5 import Floats, Solution, Tolerance, solve

RowField = Callable[[Tensor, Tensor], Tensor]  # (S, B, D), (S, B, 1) -> (S, B, D)


def times(t: Floats, like: Tensor) -> Tensor:
    """Times (S,) beside rows (S, B, D), as (S, B, 1)."""
    column = torch.from_numpy(np.asarray(t)).to(like.device, like.dtype)
    return column[:, None, None].expand(*like.shape[:2], 1)


def flat_field(f: RowField, shape: Sequence[int]) -> Callable[[Any, Floats], Any]:
    """The field of rows (S, B, D) as one of flat states (S, B * D)."""

    def field(u: Tensor, t: Floats) -> Tensor:
        rows = u.view(*shape)
        return f(rows, times(t, rows)).flatten(1)

    return field


class Solver:
    """An adaptive solver of a field with parameters, from 0 to an end.

    Args:
        field: Of rows.
        parameters: That the field depends on, (S, ...) each.
        end: T.
        tolerance: Of both ways.

    Attributes:
        last: What came of the last way forward, with the starts of its steps.
    """

    def __init__(
        self,
        field: RowField,
        parameters: Sequence[Tensor],
        end: float,
        tolerance: Tolerance,
    ) -> None:
        self.field, self.parameters = field, list(parameters)
        self.end, self.tolerance = end, tolerance
        self.last: Solution | None = None

    def __call__(self, u: Tensor) -> Tensor:
        """The state at the end, (S, B, D), whose gradient the adjoint finds."""
        solved: Any = _Solved.apply
        end: Tensor = solved(self, u, *self.parameters)
        return end

    def forward(self, u: Tensor) -> Tensor:
        """The same without a gradient."""
        field = flat_field(self.field, u.shape)
        with torch.no_grad():
            ends = 0.0, self.end
            self.last = solve(field, u.flatten(1), ends, self.tolerance, keep=True)
        end: Tensor = self.last.state.view_as(u)
        return end

    def backward(self, u: Tensor, above: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Gradients of u(0) and of each parameter.

        Args:
            u: (S, B, D), at the end.
            above: (S, B, D), the gradient of the loss there.
        """
        size = u[0].numel()

        def field(z: Tensor, s: Floats) -> Tensor:  # in s = T - t, which rises
            rows, a = (x.reshape(u.shape) for x in (z[:, :size], z[:, size : 2 * size]))
            with torch.enable_grad():
                rows = rows.detach().requires_grad_()
                du = self.field(rows, times(self.end - s, rows))
                inputs = [rows, *self.parameters]
                by = torch.autograd.grad(du, inputs, a, allow_unused=True)
            parts = [-du.detach(), *(
                torch.zeros_like(x) if g is None else g
                for g, x in zip(by, inputs, strict=True)
            )]  # fmt: skip
            return torch.cat([part.flatten(1) for part in parts], 1)

        numbers = sum(p[0].numel() for p in self.parameters)
        zeros = u.new_zeros(len(u), numbers)
        z = torch.cat([u.flatten(1), above.flatten(1), zeros], 1)
        with torch.no_grad():
            done = solve(field, z, (0.0, self.end), self.tolerance, 2 * size).state
        sizes = [p[0].numel() for p in self.parameters]
        split = torch.split(done[:, 2 * size :], sizes, dim=1)
        pairs = zip(split, self.parameters, strict=True)
        return done[:, size : 2 * size].view_as(u), [g.view_as(p) for g, p in pairs]


class _Solved(torch.autograd.Function):
    """A solution as one node of autograd's graph: no step of the solver is in it."""

    @staticmethod
    def forward(ctx: Any, solver: Solver, u: Tensor, *parameters: Tensor) -> Tensor:
        """(S, B, D) at 0 -> at the end."""
        del parameters
        end = solver.forward(u)
        ctx.solver = solver
        ctx.save_for_backward(end)
        return end

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        """Gradient at the end -> at 0, and of each parameter."""
        (end,) = ctx.saved_tensors
        by_u, by_parameters = ctx.solver.backward(end, above)
        return None, by_u, *by_parameters
