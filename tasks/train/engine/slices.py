"""Slices of a stack that differ in a number of their learner.

A learner's equations say ``p.beta * (q - v)``, whatever ``p.beta`` is: a number, or one
a slice. Seeds repeat then: each configuration has all seeds of the study, and a slice
draws what its seed draws alone.

Shapes: S slices.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import fields
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.method import P


class PerSlice:
    """A number for each slice; in an equation it stands where one number would.

    Beside a tensor it counts along the first axis, which is the slices'. Among each
    other such numbers are float64, as Python's are, so that a slice rounds as it does
    where all slices share its number.

    Args:
        values: (S,).
    """

    def __init__(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        self.values = np.asarray(values, np.float64)
        self._laid: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

    def beside(self, like: Tensor) -> Tensor:
        """The numbers as a tensor (S, 1, ...) of the rank, type and place of another.

        Raises:
            ValueError: If the other one's first axis is not of S.
        """
        key = like.dim(), like.dtype, like.device
        if key not in self._laid:
            if not like.dim() or len(like) != len(self.values):
                shape = tuple(like.shape)
                raise ValueError(f"{len(self.values)} slices beside a tensor {shape}")
            laid = torch.from_numpy(self.values).to(like.device, like.dtype)
            self._laid[key] = laid.view(-1, *(1,) * (like.dim() - 1))
        return self._laid[key]

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What torch asks where one of its functions is given such a number."""
        named = kwargs or {}
        tensors = [x for x in chain(args, named.values()) if isinstance(x, Tensor)]
        like = max(tensors, key=Tensor.dim)

        def plain(x: Any) -> Any:
            return x.beside(like) if isinstance(x, PerSlice) else x

        return function(*map(plain, args), **{k: plain(x) for k, x in named.items()})

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        """The numbers as numpy sees them, (S,)."""
        return np.array(self.values, dtype)

    def __neg__(self) -> "PerSlice":
        """Each with the other sign."""
        return PerSlice(-self.values)

    def __bool__(self) -> bool:
        """Whether any of them is not 0: what is done for one slice is done for all."""
        return bool(self.values.any())

    def _with(
        self, other: Any, apply: Callable[[Any, Any], Any], *, first: bool
    ) -> Any:
        """The result of an operator, of which this is the first operand or not."""
        if isinstance(other, Tensor):
            own = self.beside(other)
            return apply(own, other) if first else apply(other, own)
        value = other.values if isinstance(other, PerSlice) else other
        return PerSlice(
            apply(self.values, value) if first else apply(value, self.values)
        )


def _operator(name: str, *, first: bool) -> Callable[[PerSlice, Any], Any]:
    def method(self: PerSlice, other: Any) -> Any:
        return self._with(other, getattr(operator, name), first=first)

    return method


for name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(PerSlice, f"__{name}__", _operator(name, first=True))
    setattr(PerSlice, f"__r{name}__", _operator(name, first=False))


def in_slices(params: Sequence[P], seeds: int) -> P:
    """Parameters of several configurations as those of one stack.

    Args:
        params: Checked, one a configuration; fields in which they differ become
            numbers a slice.
        seeds: How many slices each configuration has, one after the other.
    """
    stack = copy(params[0])
    for field in fields(stack):
        values = [getattr(p, field.name) for p in params]
        if any(value != values[0] for value in values):
            numbers = PerSlice(np.repeat(np.array(values, np.float64), seeds))
            object.__setattr__(stack, field.name, numbers)
    return stack
