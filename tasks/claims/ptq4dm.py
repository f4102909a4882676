"""States of the model's own chain calibrate it best (Shang et al. 2023).

Wanted on the bed of ``_ptq4dm``, at the lowest of ``bits``: calibrated by NDTC a
network predicts the noise near t = 0 with a smaller error than calibrated on noise, on
data or on the chain at T-1, and its samples (DDIM) are nearer to the data. At 8 bits
they are no further than one deviation of the float networks' own samples, noise and
data drawn again. And the study's diffusion policy at 8 bits scores no less than float
by each sampler, but for half of the float score's interval.

The card says: at the lowest number of bits where float and quantised differ. That is
taken as the lowest there is; figures say how far apart they are. Arms on the study's
policy stand beside as figures, where they need no logged actions, and what the layers
see at three times of the chain. The paper's images and UNet are left out.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch

from tasks.artifacts.dataset import load_observations
from tasks.artifacts.params import Range
from tasks.artifacts.policy import load_policy
from tasks.beds.ptq4dm.arms import Bed, Found
from tasks.beds.ptq4dm.networks import (
    SAMPLERS,
    Settings,
    calibrated,
    fresh_states,
    near_and_mean,
    noise_errors,
)
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Floats, Results, exact
from tasks.compress.ptq4dm.states import OWN
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import take

WORSE = ("noise", "data", "noisy")  # than ndtc, says the claim
RELATIVE = "relative error of the noise"
APART = "sliced distance to data"


@dataclass(frozen=True)
class PTQ4DMClaimParams(ClaimParams):
    """See params/claims/ptq4dm.yaml for units and ranges."""

    bits: Annotated[tuple[int, ...], Range(2, 8)]
    networks: Annotated[tuple[int, ...], Range(0)]
    calibrations: Annotated[tuple[int, ...], Range(0)]
    times: Annotated[int, Range(2, 1000)]
    hidden: Annotated[tuple[int, ...], Range(1)]
    updates: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    rate: Annotated[float, Range(0, 1, open=True)]
    states: Annotated[int, Range(1)]
    calls: Annotated[int, Range(2)]
    second_calls: Annotated[int, Range(2)]
    samples: Annotated[int, Range(2)]
    chains: Annotated[int, Range(1)]
    redraws: Annotated[int, Range(2)]
    mean: Annotated[float, Range(0, 0.5)]
    std: Annotated[float, Range(0, 100, open=True)]

    def settings(self) -> Settings:
        """What all arms of the bed share."""
        names = Settings.__dataclass_fields__
        return Settings(**{name: getattr(self, name) for name in names})


class PTQ4DM(Claim):
    """See the module."""

    Parameters = PTQ4DMClaimParams
    params: PTQ4DMClaimParams

    def outcome(self, results: Results) -> Outcome:
        """See :meth:`Claim.outcome`."""
        found = Bed(self.params.settings(), self.params.bits).run()
        checks, figures = self.of_bed(results, found)
        scores, told = of_scores(results)
        return Outcome([*checks, *scores], [*figures, *told, *self._of_policy(results)])

    def of_bed(
        self, results: Results, found: Found
    ) -> tuple[list[Check], list[Figure]]:
        """What must be seen in the bed, and its tables."""
        cells = {
            key: {name: np.array(table) for name, table in one.items()}
            for key, one in found.cells.items()
        }
        low, high = min(self.params.bits), max(self.params.bits)
        ndtc, checks = cells["ndtc", low], []
        for name, unit in (("near", RELATIVE), ("ddim", APART)):
            what = "error near t = 0" if name == "near" else "distance of samples"
            checks += [
                Check(
                    results.gap(
                        cells[arm, low][name],
                        ndtc[name],
                        f"{what}, {arm} over ndtc, {low} bits",
                        unit,
                    )
                )
                for arm in WORSE
            ]
        floats = {name: np.array(table) for name, table in found.floats.items()}
        spread = np.maximum(floats["ddim"].std(axis=1, ddof=1), 1e-6)[:, None]
        closer = (floats["ddim"][:, :1] - cells["ndtc", high]["ddim"]) / spread
        name = f"float over ndtc at {high} bits, distance in float's deviations"
        checks.append(Check(results.figure(name, closer, ""), bound=-1.0))
        figures = [
            results.figure(f"float, {name}", table, APART)
            for name, table in floats.items()
        ]
        for (arm, bits), one in cells.items():
            for key, table in one.items():
                unit = APART if key in SAMPLERS else RELATIVE
                figures.append(
                    results.figure(f"{arm}, {bits} bits, {key}", table, unit)
                )
        figures += [
            Figure(f"input of {name}", middle, least, most, "median, 0.1 to 99.9 %")
            for name, (least, middle, most) in sorted(
                found.inputs.items(), key=lambda told: by_layer_and_time(told[0])
            )
        ]
        return checks, figures

    def _of_policy(self, results: Results) -> list[Figure]:
        """Arms on the study's diffusion policy, errors of the noise predicted."""
        given, low = self.params.settings(), min(self.params.bits)
        data = results.params["study"]["datasets"][0]
        policy, origin = load_policy(results.root / "policies" / data / "dql")
        if not isinstance(policy, DiffusionPolicy):
            raise TypeError(f"{type(policy).__name__}: dql makes diffusion policies")
        folder = results.root / "datasets" / f"{data}-v0"
        rows = [
            torch.from_numpy(load_observations(folder, count, np.random.default_rng(i)))
            for i, count in enumerate((given.states, given.chains))
        ]
        tables: dict[str, list[list[float]]] = {}
        for k, seed in enumerate(origin["seeds"]):
            alone = take(policy, k)
            fresh = fresh_states(alone, rows[1], seed)
            for arm in (*OWN, "minmax"):
                small = calibrated(alone, rows[0], arm, low, given, seed)
                errors = near_and_mean(noise_errors(alone, small, fresh))
                tables.setdefault(arm, []).append(list(errors))
        return [
            results.figure(
                f"dql, {arm}, {low} bits, {what}", np.array(table)[:, [i]], RELATIVE
            )
            for arm, table in tables.items()
            for i, what in enumerate(("near t = 0", "mean"))
        ]


def by_layer_and_time(name: str) -> tuple[str, float]:
    """Files have names in the order of letters, where 19 comes before 9."""
    layer, time = name.split(" at t = ")
    return layer, float(time)


def of_scores(results: Results) -> tuple[list[Check], list[Figure]]:
    """That W8A8 scores as float, by every sampler of the study."""
    study = results.params["study"]
    data, sampled = study["datasets"][0], study["sampled"]
    endings = [f"-{s}-{n}" for s in sampled["samplers"] for n in sampled["steps"]]
    checks, figures = [], []
    for learner in study["policies"]:
        for ending in ["", *(endings if learner in sampled["policies"] else [])]:
            both: list[Floats] = [
                results.score(data, learner, f"{variant}{ending}")
                for variant in ("float32", "ptq4dm")
            ]
            plain = results.figure(f"{learner}, float32{ending}", both[0])
            figures += [plain, results.figure(f"{learner}, ptq4dm{ending}", both[1])]
            if ending:
                noise = (plain.high - plain.low) / 2
                name = f"score, {learner}, ptq4dm{ending} over float"
                checks.append(Check(results.gap(both[1], both[0], name), bound=-noise))
                figures.append(
                    exact(f"half of {learner}'s interval{ending}", noise, "score")
                )
    return checks, figures
