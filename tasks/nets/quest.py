"""Stacked layers whose weights and inputs both have 1 to 8 bits, as QuEST trains them.

Panferov et al. 2025 (arXiv 2502.05003), official code github.com/IST-DASLab/QuEST. A
vector y of K numbers (a token, or all weights of an output unit), rotated by Hadamard
matrices block by block, goes to n equally spaced levels, symmetric about zero:

    sigma = sqrt(mean(y^2)), c = a sigma + 1e-8, D = 2 c / (n - 1)
    q = round(clamp(y, -c, c) / D + (n - 1) / 2), y_hat = D (q - (n - 1) / 2)

``a`` minimises the squared error on a standard normal y; the numbers are the authors',
those of 6 to 8 bits a little below the best (8: 3.885, best 3.922, error 0.2 % larger).
sigma is that of the row, each time anew, in training and afterwards. Both factors of a
product are rotated, so that the rotations cancel and no inverse is needed.

Gradients pass where the error is small, dL/dx = (m dL/dy_hat) H^T; sigma and c are
constants there:

    m = 1[|y_hat - y| <= D / 2], of one bit 1[|y| <= 1.3 c], without H 1[|y| <= 1.25 c]

The two limits of one bit are known from the official code alone. Not here: its sparse
extension (2 of 4 pairs of weights kept), as no result of the paper's first part needs
it; and its scaling law, which takes runs of many sizes.
"""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

# a of each number of bits; 1.585 are three levels
HALF_RANGE = {
    1: 0.7978845587140913,
    1.585: 1.2240089519030855,
    2: 1.4935346200015913,
    3: 2.051068354131873,
    4: 2.513930578568423,
    5: 2.9160938834961225,
    6: 3.276597282593217,
    7: 3.6010497188221655,
    8: 3.884938678807525,
}
TINY = 1e-8  # added to c
SMALLEST = 16  # inputs a Hadamard block has at least


def levels(bits: float) -> int:
    """N: 2^bits, or 3 of 1.585 bits."""
    if bits not in HALF_RANGE:
        raise ValueError(f"{bits} bits: known are {', '.join(map(str, HALF_RANGE))}")
    return 3 if bits == 1.585 else 2 ** int(bits)


def storage(bits: float) -> int:
    """Bits a code takes in a file."""
    return next(s for s in (1, 2, 4, 8) if levels(bits) <= 2**s)


def check_block(block: int) -> None:
    """Refuse a size no Hadamard block has here.

    Raises:
        ValueError: If it is neither 1 (none) nor a power of two >= 16.
    """
    if block != 1 and (block < SMALLEST or block & (block - 1)):
        raise ValueError(f"block {block}: must be a power of two >= {SMALLEST}, or 1")


def block_of(width: int, largest: int) -> int:
    """The largest power of two that divides a width, from 16 to ``largest``."""
    return min(largest, max(SMALLEST, width & -width))


def padded(inputs: int, block: int) -> int:
    """K: the width, filled up with zeros to whole blocks."""
    return -(-inputs // block) * block


@cache
def hadamard(size: int) -> Tensor:
    """H of ones and minus ones, H H^T = size I: (size, size), Sylvester's.

    The one tensor is shared; nobody writes to it.

    Raises:
        ValueError: If the size is not a power of two.
    """
    if size < 1 or size & (size - 1):
        raise ValueError(f"a Hadamard block of {size}: must be a power of two")
    h = torch.ones(1, 1)
    while len(h) < size:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    return h


def rotate(x: Tensor, matrix: Tensor) -> Tensor:
    """Each block of x times a matrix (g, g), zeros filled in: (..., I) -> (..., K)."""
    block = len(matrix)
    width = padded(x.shape[-1], block)
    x = nn.functional.pad(x, (0, width - x.shape[-1]))
    return (x.reshape(-1, block) @ matrix).view(x.shape)


def half_range(y: Tensor, bits: float, tiny: float = TINY) -> Tensor:
    """The c of each row: (..., K) -> (..., 1)."""
    return HALF_RANGE[bits] * y.square().mean(-1, keepdim=True).sqrt() + tiny


def round_to(y: Tensor, step: Tensor, n: int) -> Tensor:
    """Codes q, 0..n-1, in the type of y: (..., K), D (..., 1) -> (..., K).

    Between two levels the upper one is taken, but between the three of 1.585 bits.
    """
    z = y / step
    z = z.round_() if n % 2 else z.floor_()
    return z.add_(n // 2).clamp_(0, n - 1)


class _Rounded(torch.autograd.Function):
    """y -> y_hat, whose gradient passes where it is trusted."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, c: Tensor, n: int, limit: float) -> Tensor:
        """Onto the grid: (..., K) -> (..., K).

        Args:
            ctx: Of autograd.
            y: (..., K).
            c: Half range of each row, (..., 1).
            n: Levels.
            limit: Times c: |y| up to which a gradient is trusted; 0: by the error;
                inf: all.
        """
        step = c * (2 / (n - 1))
        y_hat = round_to(y, step, n).sub_((n - 1) / 2).mul_(step)
        ctx.all = math.isinf(limit)
        if not ctx.all:
            near = y.abs() <= limit * c if limit else (y_hat - y).abs_() <= step / 2
            ctx.save_for_backward(near)
        return y_hat

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient of y_hat -> of y, 0 where it is not trusted."""
        if not ctx.all:
            gradient = gradient * ctx.saved_tensors[0]
        return gradient, None, None, None


SCALES = ("rms", "absmax", "learned")


class Quest(nn.Module):
    """A linear layer whose weights are trained and used at few bits, as are its inputs.

    What the paper compares with is a switch each:

    | | block | trust | scale |
    |---|---|---|---|
    | QuEST | 16, 32 ... | yes | ``rms`` |
    | without Hadamard matrices | 1 | yes | ``rms`` |
    | without trust mask | 16, 32 ... | no | ``rms`` |
    | straight-through | 1 | no | ``absmax``: c is the largest absolute value |
    | LSQ | 1 | no | ``learned``: D is a parameter |

    LSQ, Esser et al. 2020 (arXiv 1902.08153), has one D for all weights and one for all
    inputs, at first 2 mean |y| / sqrt(Q) with Q = (n - 1) / 2, its gradient times
    1 / sqrt(numbers Q); on the grid above, as its own has one level of one bit.

    Args:
        stack: Leading axis S (seeds).
        inputs: Input width I.
        outputs: Output width N.
        bits: Of weights and inputs, a key of ``HALF_RANGE``.
        block: Of the Hadamard matrices, a power of two >= 16, or 1 for none. Inputs
            are filled up with zeros to whole blocks, without them to a multiple of 16.
        bias: Whether it has one, of float32.
        trust: Whether gradients are masked.
        scale: Of ``SCALES``.

    Attributes:
        weight: (S, I, N), float32, not rotated.
        bias: (S, 1, N), or nothing.
    """

    def __init__(
        self,
        stack: int,
        inputs: int,
        outputs: int,
        bits: float,
        block: int,
        *,
        bias: bool = True,
        trust: bool = True,
        scale: str = "rms",
    ) -> None:
        super().__init__()
        check_block(block)
        if scale not in SCALES:
            raise ValueError(f"scale {scale!r}: known are {', '.join(SCALES)}")
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.bits, self.block, self.levels = bits, block, levels(bits)
        self.trust, self.scale = trust, scale
        self.weight = nn.Parameter(torch.zeros(stack, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(stack, 1, outputs)) if bias else None
        self.matrix: Tensor
        matrix = hadamard(block) / block**0.5
        self.register_buffer("matrix", matrix, persistent=False)
        if scale == "learned":
            zeros = torch.zeros(stack, 2)
            self.steps = nn.Parameter(zeros)  # D of inputs, of weights; 0: not yet

    @property
    def limit(self) -> float:
        """Times c: |y| up to which a gradient is trusted; 0: by the error; inf: all."""
        if not self.trust:
            return math.inf
        if self.bits == 1:
            return 1.30 if self.block > 1 else 1.25
        return 0.0

    def quantised(self, x: Tensor, which: int = 0) -> Tensor:
        """Rotated and on the grid: (S, ..., I) -> (S, ..., K).

        Args:
            x: Inputs (S, B, I), or weights (S, N, I).
            which: 0 of inputs, 1 of weights.
        """
        y = x
        if self.block > 1:
            y = rotate(x, self.matrix)
        elif x.shape[-1] % SMALLEST:
            y = nn.functional.pad(x, (0, -x.shape[-1] % SMALLEST))
        if self.scale == "learned":
            return self._learned(y, which)
        with torch.no_grad():
            if self.scale == "rms":
                c = half_range(y, self.bits)
            else:
                c = y.abs().amax(-1, keepdim=True) + TINY
        y_hat: Tensor = _Rounded.apply(y, c, self.levels, self.limit)  # type: ignore[no-untyped-call]
        return y_hat

    def _learned(self, y: Tensor, which: int) -> Tensor:
        """LSQ's rounding by a learned step; gradients are autograd's."""
        top, step = (self.levels - 1) / 2, self.steps[:, which]
        if not step.detach().any():
            with torch.no_grad():
                step.copy_(2 * y.flatten(1).abs().mean(1) / top**0.5)
        less = (y[0].numel() * top) ** -0.5
        step = step * less + (step - step * less).detach()
        step = step.clamp(min=TINY).view(-1, *[1] * (y.ndim - 1))
        z = (y / step).clamp(-top, top)
        return (z + ((z + top).round() - top - z).detach()) * step

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N)."""
        weight = self.quantised(self.weight.transpose(1, 2), 1)  # (S, N, K)
        if self.bias is None:
            return torch.bmm(self.quantised(x), weight.mT)
        return torch.baddbmm(self.bias, self.quantised(x), weight.mT)

    def sigma(self) -> Tensor:
        """Root mean square of the weights of an output unit, (S, N)."""
        return self.weight.detach().square().mean(1).sqrt()
