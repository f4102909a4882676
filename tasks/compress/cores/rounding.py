"""Rounding of weights to whole numbers, symmetric, with a scale a block of inputs.

Shapes: S seeds, N output units, I inputs.
"""

from torch import Tensor, nn

from tasks.nets.quantised import BlockLinear


def block_scales(weight: Tensor, bits: int, block: int) -> Tensor:
    """Symmetric scales, the largest weight of a block on the last code.

    Args:
        weight: (..., N, I).
        bits: Of a code.
        block: Inputs that share a scale.

    Returns:
        (..., N, ceil(I / block)), positive.
    """
    top = 2 ** (bits - 1) - 1
    padded = nn.functional.pad(weight, (0, -weight.shape[-1] % block))
    largest = padded.reshape(*weight.shape[:-1], -1, block).abs().amax(-1)
    return (largest / top).clamp(min=1e-12)


def steps_of(scale: Tensor, block: int, inputs: int) -> Tensor:
    """The scale of each weight: (..., N, ceil(I / block)) -> (..., N, I)."""
    return scale.repeat_interleave(block, dim=-1)[..., :inputs]


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


def nearest(weight: Tensor, bias: Tensor, bits: int, block: int) -> BlockLinear:
    """A layer of weights rounded to nearest; its inputs stay float.

    Args:
        weight: (S, I, N), as a float layer has them.
        bias: (S, 1, N).
        bits: 4 or 8.
        block: Inputs that share a scale, a power of two >= 16.
    """
    rows = weight.transpose(1, 2)  # (S, N, I)
    scale = block_scales(rows, bits, block)
    stack, inputs, outputs = weight.shape
    layer = BlockLinear(stack, inputs, outputs, bits, block)
    layer.codes = round_to_nearest(rows, steps_of(scale, block, inputs), bits)
    layer.scale.copy_(scale)
    layer.bias.copy_(bias[:, 0])
    return layer
