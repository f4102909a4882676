"""Calibration states and ranges of ``ptq4dm.py``.

Shapes: S seeds, here always 1; N states, A action, O observation, I inputs of a layer,
P parts of an input, T times of a chain.
"""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.compress._calib import watched
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.integer import IntegerLinear
from tasks.nets.layers import generator
from tasks.nets.sampling import Call, run

# what a policy can be calibrated on without logged actions, and what needs them
OWN = ("ndtc", "uniform", "noisy", "middle", "clean", "noise", "mismatch")
WITH_DATA = ("data", "diffused")
CHAIN = "what the float policy samples"
POWER = 2.4  # p of the error that decides on a range
CANDIDATES = 100
SHARE = 0.1  # of a new batch in the running ranges


@dataclass(frozen=True)
class States:
    """What the network is called with, row by row.

    Attributes:
        observation: (1, N, O), normalised.
        x: (1, N, A).
        time: (1, N), as the network is told.
    """

    observation: Tensor
    x: Tensor
    time: Tensor

    def batches(self, size: int) -> list["States"]:
        """In their order; a rest smaller than a batch is left out."""
        whole = self.x.shape[1] // size
        sides = (self.observation, self.x, self.time)
        parts = (torch.split(side, size, dim=1)[:whole] for side in sides)
        return [States(*part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Draw:
    """How calibration states are drawn.

    Attributes:
        arm: One of ``OWN`` and ``WITH_DATA``, see ``ptq4dm.py``.
        mean: Of the times, in T, at most 0.5.
        std: Of the times, in T.
        seed: All randomness depends on it.
    """

    arm: str
    mean: float
    std: float
    seed: int

    def times(self, count: int, last: int) -> Tensor:
        """Numbers of times, 0 (clean)..``last``, (N,) int64."""
        draw = generator(self.seed, "ptq4dm times")
        t = last + 1
        fixed = {"noisy": last, "middle": t // 2, "clean": 0}
        if self.arm in fixed:
            return torch.full((count,), fixed[self.arm])
        if self.arm in ("ndtc", "mismatch"):
            drawn = self.mean * t + self.std * t * torch.randn(count, generator=draw)
            return drawn.round().clamp(0, last).long()
        return torch.randint(t, (count,), generator=draw)


def chain(policy: DiffusionPolicy, seen: Tensor, noise: Tensor) -> list[Tensor]:
    """The backward process: x at each call of the plan, and the sample it ends with.

    Args:
        policy: Float, of one seed.
        seen: (1, N, O), normalised observations.
        noise: (1, N, n, A), the plan's.

    Returns:
        (1, N, A) each, one more than the plan's calls.
    """
    met: list[Tensor] = []

    def call(x: Tensor, time: float) -> Tensor:
        met.append(x)
        return policy.network(seen, x, *policy.times(time))

    end = run(policy.plan, call, policy.kind, noise.unbind(2))
    return [*met, end.clamp(-1, 1)]


def call_times(policy: DiffusionPolicy) -> list[float]:
    """The times of the plan's calls, noisiest first.

    Raises:
        RefusedError: If the policy predicts noise or data without a schedule, a time
            lies outside it, or times do not fall.
    """
    times = [step.time for step in policy.plan.steps if isinstance(step, Call)]
    found, last = "", len(policy.abar) - 1
    if policy.kind != "velocity" and not policy.abar:
        found = f"a network that predicts {policy.kind} without a noise schedule"
    elif policy.abar and not all(0 <= time <= last for time in times):
        found = f"calls at times {times}"
    elif not times or any(one <= two for one, two in itertools.pairwise(times)):
        found = f"calls at times {times}, which do not fall"
    if found:
        raise RefusedError(
            "policy.json",
            "policy.plan",
            found,
            f"a plan that goes down a schedule's times {last}..0"
            if policy.abar
            else "a schedule, abar, and a plan that goes down its times",
            "train the policy again with: dvc repro",
        )
    return times


def states(
    policy: DiffusionPolicy,
    observations: Tensor,
    draw: Draw,
    actions: Tensor | None = None,
) -> States:
    """Calibration states of one seed.

    Args:
        policy: Float, of one seed.
        observations: (N, O), units of the world; each begins a chain of its own.
        draw: Which states.
        actions: (N, A), logged, in [-1, 1]; arms of ``WITH_DATA`` need them.

    Raises:
        RefusedError: If the policy's plan has no chain, or states are not finite.
    """
    times, count = call_times(policy), len(observations)
    last, width = len(times) - 1, policy.action_width
    seen = policy.normalise(observations[None])
    own = generator(draw.seed, "ptq4dm noise")
    noise = torch.randn((1, count, policy.plan.noises, width), generator=own)
    t = draw.times(count, last)  # 0 is the cleanest
    at = last - t  # 0 is the noisiest, the first call
    time = torch.tensor(times)[at][None]
    if draw.arm == "noise":
        x = noise[:, :, 0]
    elif draw.arm in WITH_DATA:
        if actions is None:
            raise ValueError(f"{draw.arm} needs logged actions")
        x = actions[None]
        if draw.arm == "diffused":
            abar = torch.tensor(policy.abar)[time.long()][..., None]
            x = abar.sqrt() * x + (1 - abar).sqrt() * noise[:, :, 0]
    else:
        # the released script labels the state after loop step i with i itself
        where = t + 1 if draw.arm == "mismatch" else at
        met = torch.stack(chain(policy, seen, noise))  # (T + 1, 1, N, A)
        x = met[where, 0, torch.arange(count)][None]
    bad = int((~torch.isfinite(x)).any(-1).sum())
    if bad:
        raise RefusedError(
            CHAIN,
            "calibration states",
            f"NaN or infinity in {bad} of {count}",
            "finite numbers",
            "train the policy again, with a lower rate: its sampler diverges",
        )
    return States(seen, x, time)


def quantise(v: Tensor, low: Tensor, high: Tensor, bits: int) -> Tensor:
    """Numbers rounded in a range that holds 0, all broadcast against each other."""
    scale, zero = scale_of(low, high, bits)
    q = ((v / scale).round() + zero).clamp(0, 2**bits - 1)
    return (q - zero) * scale


def scale_of(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Step and zero point of ranges that hold 0."""
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
    """Ranges over batches: the first, then a tenth of each new one."""
    low, high = batches[0]
    for new_low, new_high in batches[1:]:
        low = (1 - SHARE) * low + SHARE * new_low
        high = (1 - SHARE) * high + SHARE * new_high
    return low, high


@dataclass(frozen=True)
class Bits:
    """How fine, how found.

    Attributes:
        weights: Of layers between the first and the last, which have 8.
        activations: Likewise.
        search: See :func:`find_range`.
        batch: States a range is found on, before ranges are averaged.
    """

    weights: int
    activations: int
    search: bool
    batch: int


def quantised(policy: DiffusionPolicy, given: States, bits: Bits) -> DiffusionPolicy:
    """The network in whole numbers: weights first, then inputs of rounded weights.

    Args:
        policy: Float, of one seed; left as it is.
        given: At least one batch of states.
        bits: See there.
    """
    layers: dict[str, Any] = policy.linears()
    names, rounded = list(layers), copy.deepcopy(policy)
    every: dict[str, Any] = rounded.linears()
    told = [embedding.width for embedding in policy.embeddings]
    parts = [policy.action_width, *told, policy.observation_width]
    made: dict[str, IntegerLinear] = {}
    for name, linear in layers.items():
        edge = name in (names[0], names[-1])
        w, a = (8, 8) if edge else (bits.weights, bits.activations)
        size = (1, linear.inputs, linear.outputs, w, a)
        made[name] = IntegerLinear(*size, parts if name == names[0] else ())
        weight = linear.weight[0].T  # (N, I)
        low, high = find_range(weight, w, bits.search)
        scale, zero = scale_of(low, high, w)
        codes = ((weight / scale).round() + zero).clamp(0, 2**w - 1)
        made[name].codes = codes.T[None].to(torch.uint8)
        made[name].centre.copy_(zero.T)
        made[name].scale.copy_(scale.T[:, None])
        made[name].bias.copy_(linear.bias[:, 0])
        every[name].weight.copy_(((codes - zero) * scale).T[None])
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in names}
    for one in given.batches(bits.batch):
        seen = watched(rounded, partial(call, rounded, one))
        for name, layer in made.items():
            split = torch.split(seen[name][0], layer.parts, -1)
            ends = [
                find_range(part.reshape(1, -1), layer.activation_bits, bits.search)
                for part in split
            ]
            lows, highs = zip(*ends, strict=True)
            found[name].append((torch.cat(lows, 1), torch.cat(highs, 1)))  # (1, P)
    for name, layer in made.items():
        step, zero = scale_of(*averaged(found[name]), layer.activation_bits)
        layer.step.copy_(step)
        layer.zero.copy_(zero)
        layer.scale.mul_(layer.step[..., None])
    rounded.replace_linears(made)
    rounded.is_double = True
    return rounded


def call(policy: DiffusionPolicy, given: States) -> Tensor:
    """What the network says of states; a second time it is told is 0, the data."""
    others = [torch.zeros(1, 1)] * (len(policy.embeddings) - 1)
    return policy.network(given.observation, given.x, given.time, *others)
