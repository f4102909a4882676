"""The network that learns to live with few bits, and its way into whole numbers.

AdaDFQ's quantiser: k bits, asymmetric, weights an output channel, activations a tensor,

    s = (2^k - 1) / max(hi - lo, 1e-8), zp = round(s lo) + 2^(k-1),
    q = clip(round(s v - zp), -2^(k-1), 2^(k-1) - 1), v' = (q + zp) / s,

and the gradient of v' to v is 1, outside the range too. Here lo is at most and hi at
least 0, so that zp is a code and fits ONNX's zero point; after ReLU lo is 0.

Once ranges are settled Q also rounds what its file rounds (scales, biases and the
picture, by the rules of ``tasks/nets/coded.py``), so that what is trained is
what is written.

The reference code divides an average of ranges that is already corrected by 1 - 0.9^t
once more, so that its first ranges are several times too large; here it is done once.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tasks.nets.coded import Coded, fitting_scale, on_grid
from tasks.nets.resnet import EPSILON, FloatSteps, NormedConv, ResNet
from tasks.nets.resnet_base import through
from tasks.nets.resnet_coded import GRID, LIMIT, CodedResNet

KEEP = 0.9  # of an average of ranges, a batch


@dataclass(frozen=True)
class Quantised:
    """What some values became.

    Attributes:
        codes: q, of the values' shape.
        zero: zp, that broadcasts against it.
        steps: s, steps a unit, likewise.
    """

    codes: Tensor
    zero: Tensor
    steps: Tensor

    @property
    def values(self) -> Tensor:
        """(q + zp) / s."""
        return (self.codes + self.zero) / self.steps


def quantise(v: Tensor, low: Tensor, high: Tensor, bits: int) -> Quantised:
    """Values on k bits: s, zp and q by the formulas at the head of this file.

    Args:
        v: Values.
        low: Lower end of the range, at most 0; broadcasts against them.
        high: Upper end, at least 0.
        bits: k.
    """
    half = 2 ** (bits - 1)
    steps = (2**bits - 1) / (high - low).clamp(min=1e-8)
    zero = (steps * low).round() + half
    codes = (steps * v - zero).round().clamp(-half, half - 1)
    return Quantised(codes, zero, steps)


def quantised_weight(weight: Tensor, bits: int) -> Quantised:
    """Weights (N, ...) on k bits, each output channel by its least and largest."""
    axes = tuple(range(1, weight.dim()))
    low = weight.amin(axes, keepdim=True).clamp(max=0)
    high = weight.amax(axes, keepdim=True).clamp(min=0)
    return quantise(weight, low, high, bits)


def straight(v: Tensor, quantised: Quantised) -> Tensor:
    """The quantised values, with the gradient of the values themselves."""
    return v + (quantised.values - v).detach()


class Around(NamedTuple):
    """What a unit of whole numbers reads and writes.

    Attributes:
        into: Units a code of its input.
        out: Units a code of its output.
        largest: Code of its input.
        signed: Codes of its input may be negative.
    """

    into: float
    out: float
    largest: float
    signed: bool


class Average:
    """Running average of the largest value of a batch, corrected for its start."""

    def __init__(self) -> None:
        self.sum, self.weight, self.largest = 0.0, 0.0, 0.0

    def update(self, largest: float) -> None:
        """One batch more: share 0.1 of it, 0.9 of those before."""
        self.sum = KEEP * self.sum + (1 - KEEP) * largest
        self.weight = KEEP * self.weight + (1 - KEEP)

    def cover(self, largest: float) -> None:
        """Instead of an average: the largest of all."""
        self.largest = max(self.largest, largest)

    @property
    def value(self) -> float:
        """Average, or largest, of the batches so far; positive."""
        return max(self.largest or self.sum / max(self.weight, 1e-30), 1e-6)


class Student(FloatSteps):
    """Q: a copy of one seed's network whose steps are those of k bits.

    Args:
        teacher: P, a stack of one.
        bits: k.

    Attributes:
        policy: The copy, whose weights, gains and shifts are trained.
        ranges: Of activations, by their names.
        settled: Ranges are frozen.
    """

    policy: ResNet

    def __init__(self, teacher: ResNet, bits: int) -> None:
        super().__init__(copy.deepcopy(teacher), learn=False)
        self.policy.requires_grad_(requires_grad=True)
        self.bits, self.settled, self.averaging = bits, False, True
        self.ranges: dict[str, Average] = {}

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return list(self.policy.units.parameters())

    def logits(self, picture: Tensor) -> Tensor:
        """Normalised pictures (B, C, Y, X) -> (B, A)."""
        return through(len(self.policy.widths), picture[None], self)[0]

    def unit(self, name: str, x: Tensor) -> Tensor:
        """The layer with quantised weights, its norm folded into them.

        Once ranges are settled, what the file will round is rounded here too: scales,
        biases and the picture, each with the gradient of what it was.
        """
        layer = self.policy.units[name]
        weight, gain, shift = parts(layer)
        codes = quantised_weight(weight.detach(), self.bits)
        if self.settled:
            around = self.around(name)
            scale, fit, bias = rounded(codes, gain, shift, around)
            gain = gain * torch.where(scale > 0, fit / scale, 1).detach()
            shift = shift + (bias * around.out - shift).detach()
            if name == "stem":
                near = (x * GRID).round().clamp(-GRID * LIMIT, GRID * LIMIT) / GRID
                x = x + (near - x).detach()
        lead = (-1, *[1] * (weight.dim() - 1))
        small = straight(weight, codes) * gain.view(lead)
        if name == "head":
            return nn.functional.linear(x[0], small, shift)[None]
        side = layer.kernel // 2
        y = nn.functional.conv2d(x[0], small, shift, layer.stride, side)
        return y[None]

    def skip(self, name: str, x: Tensor) -> Tensor:
        """The block's input; its ratio of steps is rounded as the file will."""
        del name
        if not self.settled:
            return x
        free, fit = self.past()
        return x * (fit / free)

    def active(self, name: str, x: Tensor) -> Tensor:
        """ReLU and the quantiser."""
        x = torch.relu(x)
        average = self.ranges.setdefault(name, Average())
        if not self.settled:
            largest = float(x.detach().max())
            average.update(largest) if self.averaging else average.cover(largest)
        low, high = torch.zeros(()), torch.tensor(average.value)
        return straight(x, quantise(x, low, high, self.bits))

    def around(self, name: str) -> Around:
        """What a unit reads and writes, from the ranges of both activations."""
        top = 2.0**self.bits - 1
        reads, writes = wiring(len(self.policy.widths))
        out = 1.0 if name == "head" else self.ranges[writes[name]].value / top
        if name == "stem":
            return Around(1 / GRID, out, GRID * LIMIT, signed=True)
        return Around(self.ranges[reads[name]].value / top, out, top, signed=False)

    def past(self) -> tuple[Tensor, Tensor]:
        """How many codes of the first block's output one code of its input is.

        Returns:
            The free ratio, and the ratio rounded as the file holds it; (1,) each.
        """
        free = torch.tensor([self.ranges["stem"].value / self.ranges["block0"].value])
        return free, fitting_scale(free, torch.tensor([2.0**self.bits]))

    def coded(self) -> CodedResNet:
        """Q in whole numbers, a stack of one."""
        net = self.policy
        coded = CodedResNet(
            self.bits,
            1,
            net.image,
            net.widths,
            net.action_width,
            net.observation_mean,
            net.observation_std,
        )
        with torch.no_grad():
            for name, layer in net.units.items():
                write(layer, coded.units[name], self.around(name))
            coded.past.value.copy_(self.past()[1])
        return coded


def wiring(blocks: int) -> tuple[dict[str, str], dict[str, str]]:
    """Which activation each unit reads, and which one its output goes into."""
    reads, writes, x = {"stem": "picture"}, {"stem": "stem"}, "stem"
    for i in range(blocks):
        at = f"block{i}"
        reads[f"{at}_first"], writes[f"{at}_first"] = x, f"{at}_first"
        reads[f"{at}_second"], writes[f"{at}_second"] = f"{at}_first", at
        if i:
            reads[f"{at}_shortcut"], writes[f"{at}_shortcut"] = x, at
        x = at
    reads["head"], writes["head"] = x, "logits"
    return reads, writes


def parts(layer: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (N, ...), gain and shift (N,) of one seed, the norm folded into both."""
    if isinstance(layer, NormedConv):
        gain = layer.gain[0] / (layer.variance[0] + EPSILON).sqrt()
        return layer.weight[0], gain, layer.shift[0] - layer.mean[0] * gain
    shift = layer.get_parameter("bias")[0, 0]
    return layer.get_parameter("weight")[0].T, torch.ones_like(shift), shift


def rounded(
    weight: Quantised, gain: Tensor, shift: Tensor, around: Around
) -> tuple[Tensor, Tensor, Tensor]:
    """Scale of a unit's whole numbers, the same rounded, and its bias rounded, (N,).

    Args:
        weight: Its weights, (N, ...).
        gain: (N,).
        shift: (N,).
        around: What it reads and writes.
    """
    whole = (weight.codes + weight.zero).flatten(1)
    up, down = whole.clamp(min=0).sum(1), (-whole).clamp(min=0).sum(1)
    reach = around.largest * (up + down if around.signed else torch.maximum(up, down))
    scale = gain.detach().abs() * around.into / (weight.steps.flatten() * around.out)
    return scale, fitting_scale(scale, reach), on_grid(shift.detach() / around.out)


def write(layer: nn.Module, coded: Coded, around: Around) -> None:
    """Turn a layer of one seed, its norm included, into whole numbers.

    A negative gain turns the sign of its channel's weights: codes q and zero point z
    become -1 - q and -1 - z, which are codes again.
    """
    weight, gain, shift = parts(layer)
    small = quantised_weight(weight, coded.bits)
    _, scale, bias = rounded(small, gain, shift, around)
    codes, point = small.codes.flatten(1), -small.zero.flatten(1)  # (N, I), (N, 1)
    turned = (gain < 0)[:, None]
    coded.codes = torch.where(turned, -1 - codes, codes).view(1, *coded.shape)
    coded.zero.copy_(torch.where(turned, -1 - point, point).T)
    coded.scale.copy_(scale[None])
    coded.bias.copy_(bias[None])
