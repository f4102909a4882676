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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from tasks.artifacts.files import canonical, read_json, sha256, write_json
from tasks.artifacts.progress import Progress
from tasks.beds.ptq4dm.networks import (
    ARMS,
    SAMPLERS,
    Settings,
    calibrated,
    data,
    distance,
    drawn,
    fresh_states,
    near_and_mean,
    noise_errors,
    quantiles,
    sampled,
    trained,
)
from tasks.compress.ptq4dm.states import States
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import take

KEPT = Path(".offcut/claims/ptq4dm")
ROOM = Path(__file__).parents[2]
CODE = (
    *("claims/_ptq4dm/arms.py", "claims/_ptq4dm/bed.py", "compress/_ptq4dm.py"),
    *("compress/_ptq4dm_ranges.py", "nets/diffusion.py", "nets/integer.py"),
    *("nets/sampling.py", "export/_plan.py", "export/_unipc.py"),
)


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
