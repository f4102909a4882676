"""The bed of ``ptq4dm``: what a network loses by the states it is calibrated on.

Data are eight Gaussians on a ring in two dimensions; a small network learns to predict
the noise in them, alone (its observation is always 0). Every arm quantises the same
networks with the same code, number of states and bits; weights keep 8 bits.

| arm | states |
|---|---|
| ``noise``, ``data``, ``diffused`` | no chain; of data, with and without noise |
| ``noisy``, ``middle``, ``clean`` | of the chain at one time |
| ``uniform``, ``ndtc`` | of the chain, times evenly drawn or leaning to the clean end |
| ``mismatch`` | as ``ndtc``, pairs as the released script makes them |
| ``minmax`` | as ``ndtc``, ranges from min to max |

An arm at a number of bits that is finished is kept under ``.offcut/claims/ptq4dm``, by
a hash of all it depends on.

Shapes: S networks, C calibration seeds, N samples, T calls of a chain.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor

from tasks.artifacts.files import canonical, read_json, sha256, write_json
from tasks.artifacts.params import build
from tasks.artifacts.progress import Progress
from tasks.compress._calib import watched
from tasks.compress._ptq4dm import (
    OWN,
    WITH_DATA,
    Bits,
    Draw,
    States,
    call,
    call_times,
    chain,
    quantised,
    states,
)
from tasks.export import Sampler
from tasks.export._schedule import Schedule
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.layers import generator
from tasks.nets.policy import take
from tasks.nets.sampling import ddpm, variance_preserving
from tasks.train import Spaces
from tasks.train._diffusion import fresh_policy
from tasks.train.dql import DQLParams

KEPT = Path(".offcut/claims/ptq4dm")
PARAMS = Path("params")
ROOM = Path(__file__).parents[1]
CODE = (
    *("claims/_ptq4dm.py", "compress/_ptq4dm.py", "nets/diffusion.py"),
    *("nets/integer.py", "nets/sampling.py", "export/_plan.py", "export/_unipc.py"),
)
ARMS = (*OWN, *WITH_DATA, "minmax")
MODES, RADIUS, SPREAD = 8, 0.7, 0.08  # of the data, in [-1, 1]
GAIN = 10.0  # of the first weights on the state
ANGLES = 64  # directions of the sliced distance
SAMPLERS = ("ddim", "unipc")


@dataclass(frozen=True)
class Settings:
    """What all arms share; see params/claims/ptq4dm.yaml."""

    networks: tuple[int, ...]
    calibrations: tuple[int, ...]
    times: int
    hidden: tuple[int, ...]
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


@dataclass(frozen=True)
class Found:
    """What came of the bed.

    Attributes:
        cells: By (arm, bits): tables (S, C) by name, ``near`` and ``mean`` (relative
            error of the noise predicted, near the clean end and over all times), and
            the distance of samples from data by each sampler.
        floats: By sampler the float networks' distances, (S, redraws); the first is of
            the noise the arms sample from.
        inputs: By layer and time the 0.1 %, 50 % and 99.9 % quantiles of its input.
    """

    cells: Mapping[tuple[str, int], Mapping[str, list[list[float]]]]
    floats: Mapping[str, list[list[float]]]
    inputs: Mapping[str, list[float]]


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
    block = yaml.safe_load((PARAMS / "train/dql.yaml").read_text("utf-8"))
    block |= {"actor_hidden": list(given.hidden), "steps": given.times}
    params = DQLParams.parse(block, "train.dql")
    one, two = torch.ones(1), torch.ones(2)
    spaces = Spaces(0 * one, one, -two, two)
    abar = variance_preserving(given.times, params.beta_low, params.beta_high)
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
    with torch.enable_grad(), Progress("network", given.updates, lines=4) as progress:
        for step in range(given.updates):
            at = torch.stack(
                [torch.randint(rows.shape[1], n, generator=g) for g in draws]
            )
            t = torch.stack([torch.randint(given.times, n, generator=g) for g in draws])
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


def sampled(policy: DiffusionPolicy, sampler: str, calls: int) -> DiffusionPolicy:
    """The policy by one of ``SAMPLERS``, as the stage ``sample`` makes it."""
    path = PARAMS / f"export/{sampler}.yaml"
    made: Sampler = build(yaml.safe_load(path.read_text("utf-8")), f"export.{sampler}")
    return policy.with_plan(made.plan(Schedule.of(policy.abar), calls))


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
    wanted, got = (call(one, given)[0].view(count, -1) for one in (policy, small))
    return (got - wanted).norm(dim=1) / wanted.norm(dim=1)


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


class Bed:
    """The networks, and what all arms are measured on.

    Args:
        given: Settings.
        bits: Of activations.
    """

    def __init__(self, given: Settings, bits: tuple[int, ...]) -> None:
        torch.set_num_threads(1)
        self.given, self.bits = given, bits
        self.calls = dict(zip(SAMPLERS, (given.calls, given.second_calls), strict=True))

    def run(self) -> Found:
        """Measure what is not kept yet."""
        wanted = [(arm, bits) for bits in self.bits for arm in ARMS]
        paths = {cell: self.path(*cell) for cell in wanted}
        first = self.path("float", 32)
        KEPT.mkdir(parents=True, exist_ok=True)
        if not all(path.exists() for path in (first, *paths.values())):
            self._measure(first, {c: p for c, p in paths.items() if not p.exists()})
        mend = "make claim NAME=ptq4dm"
        cells = {cell: read_json(path, mend) for cell, path in paths.items()}
        return Found(cells, **read_json(first, mend))

    def path(self, arm: str, bits: int) -> Path:
        """Where a cell is kept."""
        told = {
            "arm": arm,
            "bits": bits,
            "settings": asdict(self.given),
            "torch": torch.__version__,
            "code": [sha256(ROOM / name) for name in CODE],
        }
        return (
            KEPT / f"{hashlib.sha256(canonical(told).encode()).hexdigest()[:16]}.json"
        )

    def _measure(self, first: Path, missing: Mapping[tuple[str, int], Path]) -> None:
        given, every = self.given, trained(self.given)
        ones = [
            sampled(take(every, k), "ddim", given.calls)
            for k in range(len(given.networks))
        ]
        with torch.no_grad():
            fresh = [
                fresh_states(one, torch.zeros(given.chains, 1), seed)
                for one, seed in zip(ones, given.networks, strict=True)
            ]
            if not first.exists():
                write_json(
                    first,
                    {
                        "floats": self._floats(ones),
                        "inputs": quantiles(ones[0], fresh[0]),
                    },
                )
            with Progress("arms of ptq4dm", len(missing), lines=10) as progress:
                for i, ((arm, bits), path) in enumerate(missing.items()):
                    tables: dict[str, list[list[float]]] = {}
                    for one, seen in zip(ones, fresh, strict=True):
                        for name, row in self._row(one, seen, arm, bits).items():
                            tables.setdefault(name, []).append(row)
                    write_json(path, tables)
                    progress(i + 1, f"{arm} at {bits} bits")

    def _floats(self, ones: list[DiffusionPolicy]) -> dict[str, list[list[float]]]:
        """Distances of the float networks' samples, noise and data drawn again."""
        n = self.given.samples
        return {
            name: [
                [
                    distance(
                        drawn(sampled(one, name, calls), self.given, -seed - 1),
                        data(n, -seed - 1),
                    )
                    for seed in range(self.given.redraws)
                ]
                for one in ones
            ]
            for name, calls in self.calls.items()
        }

    def _row(
        self, policy: DiffusionPolicy, fresh: States, arm: str, bits: int
    ) -> dict[str, list[float]]:
        """One network by each calibration seed, (C,) by name."""
        row: dict[str, list[float]] = {n: [] for n in ("near", "mean", *SAMPLERS)}
        for seed in self.given.calibrations:
            small = calibrated(
                policy, torch.zeros(self.given.states, 1), arm, bits, self.given, seed
            )
            near, mean = near_and_mean(noise_errors(policy, small, fresh))
            row["near"].append(near)
            row["mean"].append(mean)
            for name, calls in self.calls.items():
                samples = drawn(sampled(small, name, calls), self.given, -1)
                row[name].append(distance(samples, data(self.given.samples, -1)))
        return row


def calibrated(
    policy: DiffusionPolicy,
    observations: Tensor,
    arm: str,
    bits: int,
    given: Settings,
    seed: int,
) -> DiffusionPolicy:
    """A network by one arm: weights of 8 bits, activations of ``bits``.

    Args:
        policy: Float, of one seed.
        observations: (N, O); N states.
        arm: One of ``ARMS``.
        bits: Of activations.
        given: For the times' distribution.
        seed: Of the calibration.
    """
    plain = arm == "minmax"
    draw = Draw("ndtc" if plain else arm, given.mean, given.std, seed)
    actions = data(len(observations), seed + 1000) if arm in WITH_DATA else None
    found = states(policy, observations, draw, actions)
    return quantised(policy, found, Bits(8, bits, not plain, len(observations)))


def quantiles(policy: DiffusionPolicy, given: States) -> dict[str, list[float]]:
    """Of each layer's input at the ends and the middle of the chain: see ``Found``."""
    times = call_times(policy)
    seen = watched(policy, lambda: call(policy, given))
    levels = torch.tensor([0.001, 0.5, 0.999])
    found = {}
    for name, x in seen.items():
        by_time = x[0].view(len(times), -1)
        for at in (0, len(times) // 2, len(times) - 1):
            told = f"{name.replace('layers.', 'layer ')} at t = {times[at]:g}"
            few = by_time[at][: 2**23]
            found[told] = torch.quantile(few, levels).tolist()
    return found
