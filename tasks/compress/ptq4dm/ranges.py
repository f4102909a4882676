"""PTQ4DM's ranges, and the network rounded in them.

Shapes: N outputs, I inputs of a layer, P parts of an input, C ranges, M numbers.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tasks.compress.cores.layer_inputs import inputs_during
from tasks.compress.ptq4dm.states import States, call
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.integer import IntegerLinear

POWER = 2.4  # p of the error that decides on a range
CANDIDATES = 100
SHARE = 0.1  # of a new batch in the running ranges


def quantise(v: Tensor, low: Tensor, high: Tensor, bits: int) -> Tensor:
    """Numbers rounded in a range: v_hat of the formulas.

    Args:
        v: Numbers.
        low: Lower end of the range, at most 0; broadcasts against them.
        high: Upper end, at least 0.
        bits: 2 to 8.

    Returns:
        Of the numbers' shape.
    """
    scale, zero = scale_of(low, high, bits)
    q = ((v / scale).round() + zero).clamp(0, 2**bits - 1)
    return (q - zero) * scale


def scale_of(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Step and zero point of ranges that hold 0.

    Args:
        low: Lower ends, at most 0.
        high: Upper ends, at least 0.
        bits: 2 to 8.

    Returns:
        s, positive, and z, a whole number 0..2^bits - 1, of the ranges' shape.
    """
    top = 2**bits - 1
    width = (high - low).clamp(min=1e-12)
    # a half in ranges to both sides, to the bit: its tie falls the same way everywhere
    return width / top, (-low / width * top).round().clamp(0, top)


def find_range(v: Tensor, bits: int, search: bool) -> tuple[Tensor, Tensor]:
    """The range that loses least, or min and max.

    Candidates are k/100 of the largest size, to both sides, or to one where all
    numbers are of one sign; of equal errors mean |v - v_hat|^2.4 the narrowest counts.

    Args:
        v: (C, M), a range a row.
        bits: 2 to 8.
        search: False: from the smallest to the largest number, 0 inside.

    Returns:
        Low and high, (C, 1) each; 0 to 1 where all numbers are 0.
    """
    least, most = v.amin(1, keepdim=True), v.amax(1, keepdim=True)
    below = torch.where(least >= 0, 0.0, -1.0)
    above = torch.where(most <= 0, 0.0, 1.0)
    silent = (least == 0) & (most == 0)
    if search:
        size = v.abs().amax(1, keepdim=True)
        best, error = size.clone(), torch.full_like(size, torch.inf)
        for k in range(1, CANDIDATES + 1):
            end = size * (k / CANDIDATES)
            rounded = quantise(v, below * end, above * end, bits)
            lost = (v - rounded).abs().pow(POWER).mean(1, keepdim=True)
            best = torch.where(lost < error, end, best)
            error = torch.minimum(lost, error)
        least, most = below * best, above * best
    low, high = least.clamp(max=0), most.clamp(min=0)
    return low, torch.where(silent, 1.0, high)


def averaged(batches: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Running average of ranges over batches: 0.9 of it and 0.1 of each new one.

    Args:
        batches: Low and high of each batch, at least one.
    """
    low, high = batches[0]
    for new_low, new_high in batches[1:]:
        low = (1 - SHARE) * low + SHARE * new_low
        high = (1 - SHARE) * high + SHARE * new_high
    return low, high


@dataclass(frozen=True)
class Bits:
    """How fine a network is rounded, and how its ranges are found.

    Attributes:
        weights: Bits of layers between the first and the last, which have 8.
        activations: Bits of their inputs, likewise.
        search: Whether ranges are searched; otherwise they go from min to max.
        batch: States a range is found on, before ranges are averaged.
    """

    weights: int
    activations: int
    search: bool
    batch: int


def quantised(policy: DiffusionPolicy, states: States, bits: Bits) -> DiffusionPolicy:
    """The network in whole numbers: weights first, then inputs of rounded weights.

    Args:
        policy: Float, of one seed; left as it is.
        states: At least one batch.
        bits: How fine, and how ranges are found.
    """
    layers: dict[str, Any] = policy.linears()
    names, rounded = list(layers), copy.deepcopy(policy)
    rounded_layers: dict[str, Any] = rounded.linears()
    times = [embedding.width for embedding in policy.embeddings]
    parts = [policy.action_width, *times, policy.observation_width]
    integer: dict[str, IntegerLinear] = {}
    for name, linear in layers.items():
        edge = name in (names[0], names[-1])
        w, a = (8, 8) if edge else (bits.weights, bits.activations)
        size = (1, linear.inputs, linear.outputs, w, a)
        layer = IntegerLinear(*size, parts if name == names[0] else ())
        integer[name] = layer
        weight = linear.weight[0].T  # (N, I)
        low, high = find_range(weight, w, bits.search)
        scale, zero = scale_of(low, high, w)
        codes = ((weight / scale).round() + zero).clamp(0, 2**w - 1)
        layer.codes = codes.T[None].to(torch.uint8)
        layer.centre.copy_(zero.T)
        layer.scale.copy_(scale.T[:, None])
        layer.bias.copy_(linear.bias[:, 0])
        rounded_layers[name].weight.copy_(((codes - zero) * scale).T[None])
    ranges: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in names}
    for batch in states.batches(bits.batch):
        inputs = inputs_during(rounded, partial(call, rounded, batch))
        for name, layer in integer.items():
            split = torch.split(inputs[name][0], layer.parts, -1)
            ends = [
                find_range(part.reshape(1, -1), layer.activation_bits, bits.search)
                for part in split
            ]
            lows, highs = zip(*ends, strict=True)
            ranges[name].append((torch.cat(lows, 1), torch.cat(highs, 1)))  # (1, P)
    for name, layer in integer.items():
        step, zero = scale_of(*averaged(ranges[name]), layer.activation_bits)
        layer.step.copy_(step)
        layer.zero.copy_(zero)
        layer.scale.mul_(layer.step[..., None])
    rounded.replace_linears(integer)
    rounded.is_double = True
    return rounded
