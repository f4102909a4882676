"""Rounding of weights to whole numbers, symmetric, with a scale a block of inputs.

Shapes: N output units, I inputs.
"""

from torch import Tensor, nn


def block_scales(weight: Tensor, bits: int, block: int) -> Tensor:
    """Symmetric scales, the largest weight of a block on the last code.

    Args:
        weight: (N, I).
        bits: Of a code.
        block: Inputs that share a scale.

    Returns:
        (N, ceil(I / block)), positive.
    """
    top = 2 ** (bits - 1) - 1
    padded = nn.functional.pad(weight, (0, -weight.shape[1] % block))
    largest = padded.reshape(len(weight), -1, block).abs().amax(2)
    return (largest / top).clamp(min=1e-12)


def round_to_nearest(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The nearest codes of weights.

    Args:
        weight: Of any shape.
        scale: Positive; broadcasts against them.
        bits: Of a code.

    Returns:
        Whole numbers -(2^(bits-1) - 1)..2^(bits-1) - 1, of the weights' shape.
    """
    top = 2 ** (bits - 1) - 1
    return (weight / scale).round().clamp(-top, top)
