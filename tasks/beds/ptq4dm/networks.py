"""The networks of PTQ4DM's bed, their samples, and what is measured of both.

Shapes: S networks, N samples, T calls of a chain.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tasks.artifacts.progress import Progress
from tasks.artifacts.seeding import generator
from tasks.beds.ptq4dm.rounding import Rounding, rounded
from tasks.compress.cores.layer_inputs import inputs_during
from tasks.compress.ptq4dm.states import (
    OWN,
    WITH_DATA,
    Draw,
    States,
    call,
    call_times,
    chain,
    states,
)
from tasks.export.cores.schedule import Schedule
from tasks.export.ddim import DDIM
from tasks.export.unipc import UniPC
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.sampling import ddpm, variance_preserving
from tasks.train import Spaces
from tasks.train.cores.diffusion import fresh_policy
from tasks.train.dql import DQLParams

ARMS = (*OWN, *WITH_DATA, "minmax")
MODES, RADIUS, SPREAD = 8, 0.7, 0.08  # of the data, in [-1, 1]
GAIN = 10.0  # of the first weights on the state
ANGLES = 64  # directions of the sliced distance
SAMPLERS: Mapping[str, Any] = {"ddim": DDIM, "unipc": UniPC}


@dataclass(frozen=True)
class Settings:
    """What all arms share; see params/beds/ptq4dm.yaml."""

    network: DQLParams
    networks: tuple[int, ...]
    calibrations: tuple[int, ...]
    updates: int
    batch: int
    rate: float
    states: int
    calls: int
    second_calls: int
    samples: int
    chains: int
    redraws: int
    mean: float
    std: float
    placement: str


def data(count: int, seed: int) -> Tensor:
    """(N, 2)."""
    draw = generator(seed, "ptq4dm data")
    angle = torch.randint(MODES, (count,), generator=draw) * (math.tau / MODES)
    centres = RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    return centres + SPREAD * torch.randn((count, 2), generator=draw)


def trained(given: Settings) -> DiffusionPolicy:
    """The float networks: mean (eps - eps_theta(x_t, t))^2, t even, Adam, cosine.

    Modes are small in [-1, 1], and Mish is nearly linear near 0: as usually drawn, the
    first weights let a network learn the ring in 4 000 updates but not its modes.
    """
    params, times = given.network, given.network.steps
    one, two = torch.ones(1), torch.ones(2)
    spaces = Spaces(0 * one, one, -two, two)
    abar = variance_preserving(times, params.beta_low, params.beta_high)
    table = abar.tolist()
    seeds, size = given.networks, (len(given.networks), given.batch)
    policy = fresh_policy(params, spaces, seeds, ddpm(table), "noise", abar=table)
    policy.layers[0].weight.data[:, :2] *= GAIN
    kept, seen = torch.tensor(table), torch.zeros(*size, 1)
    rows = torch.stack([data(100_000, seed) for seed in seeds])
    draws = [generator(seed, "ptq4dm training") for seed in seeds]
    optimiser = torch.optim.Adam(policy.parameters(), given.rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, given.updates)
    n = (given.batch,)
    with torch.enable_grad(), Progress("network", given.updates) as progress:
        for step in range(given.updates):
            at = torch.stack(
                [torch.randint(rows.shape[1], n, generator=g) for g in draws]
            )
            t = torch.stack([torch.randint(times, n, generator=g) for g in draws])
            z = torch.stack([torch.randn((*n, 2), generator=g) for g in draws])
            a, share = rows.take_along_dim(at[..., None], 1), kept[t][..., None]
            x = share.sqrt() * a + (1 - share).sqrt() * z
            loss = (policy.network(seen, x, t.float()) - z).square().mean((1, 2))
            optimiser.zero_grad()
            loss.sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            falling.step()
            progress(step + 1, f"loss {float(loss.mean().detach()):.3g}")
    return policy.requires_grad_(requires_grad=False)


def sampled(
    policy: DiffusionPolicy, name: str, block: Mapping[str, Any], calls: int
) -> DiffusionPolicy:
    """A policy that samples in another way, as the stage ``sample`` makes it.

    Args:
        policy: Of any plan.
        name: One of ``SAMPLERS``.
        block: The sampler's parameters.
        calls: Of the network.
    """
    cls = SAMPLERS[name]
    sampler = cls(cls.Parameters.parse(block, f"samplers.{name}"))
    return policy.with_plan(sampler.plan(Schedule.of(policy.abar), calls))


def fresh_states(policy: DiffusionPolicy, observations: Tensor, seed: int) -> States:
    """All states of new chains, time by time from the noisiest: (1, T N, ...)."""
    times, count = call_times(policy), len(observations)
    draw = generator(seed, "ptq4dm fresh")
    shape = (1, count, policy.plan.noises, policy.action_width)
    seen = policy.normalise(observations[None])
    met = chain(policy, seen, torch.randn(shape, generator=draw))[:-1]
    time = torch.tensor(times).repeat_interleave(count)[None]
    return States(seen.repeat(1, len(times), 1), torch.cat(met, 1), time)


def noise_errors(
    policy: DiffusionPolicy, small: DiffusionPolicy, given: States
) -> Tensor:
    """Relative error of what a rounded network predicts, by time, (T,)."""
    count = len(call_times(policy))
    exact, near = (call(net, given)[0].view(count, -1) for net in (policy, small))
    return (near - exact).norm(dim=1) / exact.norm(dim=1)


def near_and_mean(errors: Tensor) -> tuple[float, float]:
    """Over the cleanest tenth of the times, noisiest first, and over all."""
    tenth = max(1, len(errors) // 10)
    return float(errors[-tenth:].mean()), float(errors.mean())


def distance(one: Tensor, other: Tensor) -> float:
    """Sliced Wasserstein distance of order 1 of two (N, 2), over even directions."""
    angle = torch.arange(ANGLES) * (math.pi / ANGLES)
    along = torch.stack([angle.cos(), angle.sin()])  # (2, ANGLES)
    first, second = ((x @ along).sort(0).values for x in (one, other))
    return float((first - second).abs().mean())


def drawn(policy: DiffusionPolicy, given: Settings, seed: int) -> Tensor:
    """Samples (N, 2) of one network in float32; the noise is the seed's."""
    draw = generator(seed, "ptq4dm samples")
    shape = (1, given.samples, policy.plan.noises, 2)
    noise = torch.randn(shape, generator=draw)
    return policy.sample(torch.zeros(1, given.samples, 1), noise)[0]


def calibrated(
    policy: DiffusionPolicy,
    arm: str,
    bits: int,
    given: Settings,
    seed: int,
) -> DiffusionPolicy:
    """A network by one arm: weights of 8 bits, activations of ``bits``.

    Args:
        policy: Float, of one seed.
        arm: One of ``ARMS``.
        bits: Of activations.
        given: Number of states, their times' distribution, and what is rounded.
        seed: Of the calibration.
    """
    plain, count = arm == "minmax", given.states
    draw = Draw("ndtc" if plain else arm, given.mean, given.std, seed)
    actions = data(count, seed + 1000) if arm in WITH_DATA else None
    seen = states(policy, torch.zeros(count, 1), draw, actions)
    return rounded(policy, seen, count, Rounding(bits, not plain, given.placement))


def quantiles(policy: DiffusionPolicy, given: States) -> dict[str, list[float]]:
    """Of each layer's input at the ends and the middle of the chain.

    Returns:
        By ``layer 0 at t = 9`` and so on, the 0.1 %, 50 % and 99.9 % quantiles.
    """
    times = call_times(policy)
    seen = inputs_during(policy, lambda: call(policy, given))
    levels = torch.tensor([0.001, 0.5, 0.999])
    by_layer_and_time = {}
    for name, x in seen.items():
        by_time = x[0].view(len(times), -1)
        for at in (0, len(times) // 2, len(times) - 1):
            key = f"{name.replace('layers.', 'layer ')} at t = {times[at]:g}"
            few = by_time[at][: 2**23]
            by_layer_and_time[key] = torch.quantile(few, levels).tolist()
    return by_layer_and_time
