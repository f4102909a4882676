"""A bound on the tensors that a description may ask for."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Size
from torch.overrides import TorchFunctionMode

SIZED = (torch.zeros, torch.ones, torch.empty, torch.rand, torch.randn, torch.full)
COUNTED = (torch.arange, torch.eye, torch.linspace)


class TooLargeError(ValueError):
    """More numbers were asked for than were allowed."""


class Bounded(TorchFunctionMode):
    """Inside, tensors are made only as long as their numbers stay within a bound.

    Every tensor counts at least :attr:`LEAST` numbers, so that many small ones end too.

    Args:
        numbers: How many may be asked for, all tensors together.
    """

    LEAST = 64

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers = self.left = numbers

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Count what a function makes before it makes it."""
        del types
        kwargs = kwargs or {}
        if func in SIZED:
            shape = kwargs.get("size", args)
            if shape and isinstance(shape[0], list | tuple | Size):
                shape = shape[0]
            self._take(abs(math.prod(n for n in shape if isinstance(n, int))))
        elif func in COUNTED:
            ends = [abs(n) for n in args if isinstance(n, int | float)]
            numbers = math.prod(ends) if func is torch.eye else sum(ends)
            self._take(
                int(numbers) ** (2 if func is torch.eye and len(ends) < 2 else 1)
            )
        return func(*args, **kwargs)

    def _take(self, numbers: int) -> None:
        self.left -= max(numbers, self.LEAST)
        if self.left < 0:
            raise TooLargeError(f"more than {self.numbers} numbers")
