"""The bed of ``ptq4dm``: what a network loses by the states it is calibrated on.

PTQ4DM (Shang et al. 2023, arXiv 2211.15736) and its equations stand in
``tasks/compress/ptq4dm/``. Data are eight Gaussians on a ring in two dimensions; small
networks learn to predict the noise in them, alone (their observation is always 0).
Every arm rounds the same networks with the same code, number of states and bits;
weights keep 8 bits. See ``networks.py`` for the networks and what is measured, and
``rounding.py`` for what is rounded.

| arm | states it is calibrated on |
|---|---|
| ``noise``, ``data``, ``diffused`` | no chain; of data, with and without noise |
| ``noisy``, ``middle``, ``clean`` | of the chain at one time |
| ``uniform``, ``ndtc`` | of the chain, times evenly drawn or leaning to the clean end |
| ``mismatch`` | as ``ndtc``, pairs as the released script makes them |
| ``minmax`` | as ``ndtc``, ranges from min to max |

A job's ``kind`` says what its result is:

* ``float``: ``floats``, by sampler the float networks' distances of samples from data,
  (S, redraws), the first of the noise the arms sample from; ``inputs``, by layer and
  time the 0.1 %, 50 % and 99.9 % quantiles of its input.
* ``arm`` at ``bits``: tables (S, C): ``near`` and ``mean``, the relative error of the
  noise predicted, near the clean end and over all times, and by each sampler the
  distance of samples from data.

Shapes: S networks, C calibration seeds, N samples, T calls of a chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch

from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, OneOf, Range
from tasks.beds import Bed, BedParams, Job, Report, check_inner
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
from tasks.beds.ptq4dm.rounding import PLACEMENTS
from tasks.compress.ptq4dm.states import States
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import take
from tasks.train.dql import DQL, DQLParams


@dataclass(frozen=True)
class PTQ4DMBedParams(BedParams):
    """Which networks and arms, and how they are measured.

    Units and ranges stand in params/beds/ptq4dm.yaml.

    Attributes:
        network: Parameters of DQL, whose noise predictor the networks are.
        samplers: Parameters of the samplers, by name.
    """

    bits: Annotated[tuple[int, ...], Range(2, 8), Distinct(1)]
    networks: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    calibrations: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    times: Annotated[int, Range(2, 1000)]
    hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    updates: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    rate: Annotated[float, Range(0, 1, open=True)]
    states: Annotated[int, Range(1, 10**6)]
    calls: Annotated[int, Range(2, 1000)]
    second_calls: Annotated[int, Range(2, 1000)]
    samples: Annotated[int, Range(2, 10**6)]
    chains: Annotated[int, Range(1, 10**6)]
    redraws: Annotated[int, Range(2, 10**6)]
    mean: Annotated[float, Range(0, 0.5)]
    std: Annotated[float, Range(0, 100, open=True)]
    placement: Annotated[str, OneOf(PLACEMENTS)]
    network: dict[str, Any]
    samplers: dict[str, Any]

    def __post_init__(self) -> None:
        """Also check the parameters of the network and of the samplers."""
        super().__post_init__()
        self.settings()
        check_inner({"network": self.network}, {"network": DQL})
        check_inner(self.samplers, SAMPLERS, "samplers")

    def settings(self) -> Settings:
        """What all arms share."""
        names = set(Settings.__dataclass_fields__) - {"network"}
        network = DQLParams.parse(self.network, "network")
        return Settings(
            network=network, **{name: getattr(self, name) for name in names}
        )


class PTQ4DMBed(Bed[PTQ4DMBedParams]):
    """Rounds the networks by every arm.

    Attributes:
        networks: The float networks, DDIM's plan in them.
        fresh: New states of each one's chain, on which errors are measured.
    """

    networks: list[DiffusionPolicy]
    fresh: list[States]

    @property
    def calls(self) -> dict[str, int]:
        """Network calls of each sampler."""
        counts = (self.params.calls, self.params.second_calls)
        return dict(zip(SAMPLERS, counts, strict=True))

    def jobs(self) -> Sequence[Job]:
        """The float networks, and every arm at every number of bits."""
        return [
            Job("float", {"kind": "float"}, ("bits",)),
            *(
                Job(
                    f"{arm} at {bits} bits",
                    {"kind": "arm", "arm": arm, "bits": bits},
                    ("bits",),
                )
                for bits in self.params.bits
                for arm in ARMS
            ),
        ]

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Train the float networks."""
        del jobs, kept
        given, p = self.params.settings(), self.params
        stack = trained(given)
        self.networks = [
            self._sampled(take(stack, k), "ddim") for k in range(len(p.networks))
        ]
        with torch.no_grad():
            self.fresh = [
                fresh_states(network, torch.zeros(p.chains, 1), seed)
                for network, seed in zip(self.networks, p.networks, strict=True)
            ]

    def run(self, job: Job, report: Report) -> Any:
        """Measure the float networks, or an arm."""
        with torch.no_grad():
            if job.settings["kind"] == "float":
                inputs = quantiles(self.networks[0], self.fresh[0])
                return {"floats": self._floats(), "inputs": inputs}
            return self._arm(job.settings["arm"], job.settings["bits"], report)

    def _sampled(self, policy: DiffusionPolicy, sampler: str) -> DiffusionPolicy:
        block = self.params.samplers[sampler]
        return sampled(policy, sampler, block, self.calls[sampler])

    def _floats(self) -> dict[str, list[list[float]]]:
        """Distances of the float networks' samples, noise and data drawn again."""
        p, given = self.params, self.params.settings()
        return {
            name: [
                [
                    distance(
                        drawn(self._sampled(network, name), given, -seed - 1),
                        data(p.samples, -seed - 1),
                    )
                    for seed in range(p.redraws)
                ]
                for network in self.networks
            ]
            for name in SAMPLERS
        }

    def _arm(self, arm: str, bits: int, report: Report) -> dict[str, list[list[float]]]:
        """Tables (S, C) by name."""
        tables: dict[str, list[list[float]]] = {}
        for k, (network, fresh) in enumerate(
            zip(self.networks, self.fresh, strict=True)
        ):
            for name, row in self._row(network, fresh, arm, bits).items():
                tables.setdefault(name, []).append(row)
            report((k + 1) / len(self.networks))
        return tables

    def _row(
        self, network: DiffusionPolicy, fresh: States, arm: str, bits: int
    ) -> dict[str, list[float]]:
        """One network by each calibration seed, (C,) by name."""
        p, given = self.params, self.params.settings()
        row: dict[str, list[float]] = {n: [] for n in ("near", "mean", *SAMPLERS)}
        for seed in p.calibrations:
            small = calibrated(network, arm, bits, given, seed)
            near, mean = near_and_mean(noise_errors(network, small, fresh))
            row["near"].append(near)
            row["mean"].append(mean)
            for name in SAMPLERS:
                samples = drawn(self._sampled(small, name), given, -1)
                row[name].append(distance(samples, data(p.samples, -1)))
        return row
