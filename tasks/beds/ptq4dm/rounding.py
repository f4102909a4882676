"""A noise predictor rounded as PTQ4DM's authors round it, or as a file can be.

Shang et al. 2023 (arXiv 2211.15736), numbers from github.com/42Shawn/PTQ4DM at 180a4d1:
weights are rounded to 8 bits, a range an output unit; then, with rounded weights,
activations, a range a tensor. Where activations are rounded is ``placement``:

* ``output``, the authors': what comes out of a layer, before its activation. The state
  x_t, what activations give, and the network's last output stay float.
* ``input``, as products of whole numbers need it: what goes into a layer. The state x_t
  stays float, the time's embedding and the observation have a range each. After an
  activation numbers are not spread evenly about 0, so both ends of a range are
  searched.

The output (or input) of the first and the input of the last layer have 8 bits whatever
the others have. Nothing is written: the compressor ``ptq4dm`` makes files.

Shapes: N outputs, I inputs of a layer, P parts of an input, M numbers.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tasks.compress.cores.layer_inputs import inputs_during
from tasks.compress.ptq4dm.ranges import POWER, averaged, find_range, quantise
from tasks.compress.ptq4dm.states import States, call
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.layers import Linear

PLACEMENTS = ("output", "input")
EDGE = 8  # bits of weights, and of the first and last layer's activations
ENDS = 20  # candidates of each end, where both are searched
Ends = tuple[Tensor, Tensor]  # low and high of a range, (1, 1) each


@dataclass(frozen=True)
class Rounding:
    """How a network is rounded.

    Attributes:
        bits: Of activations between the first and the last layer, 2 to 8.
        search: Whether ranges are searched; otherwise they go from min to max.
        placement: One of ``PLACEMENTS``.
    """

    bits: int
    search: bool
    placement: str


class Rounded(nn.Module):
    """A layer of rounded weights that rounds what it gets or gives.

    Args:
        linear: Of one seed, its weights rounded.
        bits: Of activations.
        reads: Widths and ranges of the parts of its input, in order; a part without a
            range stays float. Empty: the whole input stays float.
        writes: Range of its output; None: it stays float.
    """

    def __init__(
        self,
        linear: Linear,
        bits: int,
        reads: Sequence[tuple[int, Ends | None]] = (),
        writes: Ends | None = None,
    ) -> None:
        super().__init__()
        self.linear, self.stack, self.bits = linear, linear.stack, bits
        self.reads, self.writes = reads, writes

    def forward(self, x: Tensor) -> Tensor:
        """(1, B, I) -> (1, B, N)."""
        if self.reads:
            parts = torch.split(x, [width for width, _ in self.reads], -1)
            pairs = zip(parts, self.reads, strict=True)
            x = torch.cat([self._near(part, ends) for part, (_, ends) in pairs], -1)
        return self._near(self.linear(x), self.writes)

    def _near(self, v: Tensor, ends: Ends | None) -> Tensor:
        return v if ends is None else quantise(v, *ends, self.bits)


def find_ends(v: Tensor, bits: int) -> Ends:
    """The range that loses least by mean |v - v_hat|^2.4, both ends searched.

    Candidates are 1/20, 2/20 ... of the least and of the largest number; of equal
    errors the first counts.

    Args:
        v: (1, M).
        bits: 2 to 8.

    Returns:
        Low, at most 0, and high, at least 0, (1, 1) each; 0 to 1 where all are 0.
    """
    shares = torch.arange(1, ENDS + 1) / ENDS
    low, high = v.amin().clamp(max=0), v.amax().clamp(min=0)
    if low == high:
        return torch.zeros(1, 1), torch.ones(1, 1)
    lows = shares * low if low < 0 else torch.zeros(1)
    highs = shares * high if high > 0 else torch.zeros(1)
    best, error = (low, high), torch.inf
    for least in lows:
        for most in highs:
            rounded = quantise(v, least, most, bits)
            lost = float((v - rounded).abs().pow(POWER).mean())
            if lost < error:
                best, error = (least, most), lost
    return best[0].view(1, 1), best[1].view(1, 1)


def rounded(
    policy: DiffusionPolicy, states: States, batch: int, how: Rounding
) -> DiffusionPolicy:
    """The network with rounded weights, then activations of rounded weights.

    Args:
        policy: Float, of one seed; left as it is.
        states: At least one batch.
        batch: States a range is found on, before ranges are averaged.
        how: Bits, ranges and placement.
    """
    small = copy.deepcopy(policy)
    layers: dict[str, Any] = small.linears()
    for layer in layers.values():
        weight = layer.weight[0].T  # (N, I)
        ends = find_range(weight, EDGE, how.search)
        layer.weight.copy_(quantise(weight, *ends, EDGE).T[None])
    names = list(layers)
    times = [embedding.width for embedding in policy.embeddings]
    first = [policy.action_width, *times, policy.observation_width]
    ranges: dict[tuple[str, int], list[Ends]] = {}
    for some in states.batches(batch):
        inputs = inputs_during(small, partial(call, small, some))
        for name, layer in layers.items():
            bits = EDGE if name in (names[0], names[-1]) else how.bits
            parts: Sequence[Tensor] = []
            if how.placement == "output":
                parts = [layer(inputs[name])[0]] * (name != names[-1])
            else:
                widths = first if name == names[0] else [layer.inputs]
                parts = torch.split(inputs[name][0], widths, -1)
            for p, part in enumerate(parts):
                v = part.reshape(1, -1)
                both = how.search and how.placement == "input"
                ends = find_ends(v, bits) if both else find_range(v, bits, how.search)
                ranges.setdefault((name, p), []).append(ends)
    ends_of = {key: averaged(batches) for key, batches in ranges.items()}
    for name, layer in layers.items():
        bits = EDGE if name in (names[0], names[-1]) else how.bits
        reads: list[tuple[int, Ends | None]] = []
        if how.placement == "input":
            widths = first if name == names[0] else [layer.inputs]
            reads = [(width, ends_of[name, p]) for p, width in enumerate(widths)]
            if name == names[0]:
                reads[0] = (first[0], None)  # the state itself
        writes = ends_of.get((name, 0)) if how.placement == "output" else None
        small.set_submodule(name, Rounded(layer, bits, reads, writes))
    return small
