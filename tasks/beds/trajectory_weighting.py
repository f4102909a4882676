"""The bed of the claim ``trajectory_weighting``: mixtures drawn anew with every seed.

Replicate k has mixtures of random and expert episodes recorded with seed k, and a
learner of training seed k. A job is an arm on one mixture; its result is what
``cores/offline.py`` gives.

| arm | learner | batches |
|---|---|---|
| ``uniform`` | the base learner | all transitions alike |
| ``even`` | the same | weighted with an alpha so large that all are alike |
| ``rw``, ``aw`` | the same | by return, by advantage |
| ``oracle`` | the same | the expert's episodes alone |
| ``bc`` | cloning | all transitions alike |

``even`` is the negative control, ``oracle`` the positive one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from tasks.artifacts.files import sha256
from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, Range, build
from tasks.artifacts.progress import Progress
from tasks.artifacts.transitions import Transitions
from tasks.beds import Bed, BedParams, Job, Report
from tasks.beds.cores.offline import Doubles, Effort, joined, scored, transitions
from tasks.weigh.trajectory_weighting import (
    TrajectoryWeighting,
    TrajectoryWeightingParams,
)
from tasks.worlds import World
from tasks.worlds.engine.recorded import recorded_world

EVEN = 1e9  # an alpha
SCHEMES = {"rw": "return", "aw": "advantage", "even": "advantage"}
ARMS = ("uniform", "even", "rw", "aw", "oracle", "bc")


@dataclass(frozen=True)
class TrajectoryWeightingBedParams(BedParams):
    """Which mixtures, who learns from them, and how.

    Units and ranges stand in params/beds/trajectory_weighting.yaml.

    Attributes:
        mixtures: Blocks of generators by a mixture's name; the last part of each is
            the good one, and the seed is the replicate's.
        base: Parameters of the base learner, with their class.
        cloning: Parameters of bc, with their class.
    """

    mixtures: dict[str, Any]
    base: dict[str, Any]
    cloning: dict[str, Any]
    alpha: Annotated[float, Range(0, 1e12, open=True)]
    seeds: Annotated[tuple[int, ...], Range(0, 100), Distinct(1)]
    updates: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    episodes: Annotated[int, Range(2, 10**6)]
    start_seed: Annotated[int, Range(0, 2**20)]

    def effort(self) -> Effort:
        """How much is trained and played."""
        return Effort(**{n: getattr(self, n) for n in Effort.__dataclass_fields__})


class TrajectoryWeightingBed(Bed[TrajectoryWeightingBedParams]):
    """Records the mixtures, trains the arms on them and plays.

    Attributes:
        world: Of the mixtures.
        parts: The replicates' transitions of each mixture, by its name.
        good: Which of these are of the good part, (N,) bool a replicate.
    """

    world: World
    parts: dict[str, list[Transitions]]
    good: dict[str, list[Doubles]]

    def inputs(self) -> Mapping[str, str]:
        """The world and its behaviours, by a dataset they made."""
        return {"dataset": sha256(Path(self.params.needs_dataset) / "card.json")}

    def jobs(self) -> Sequence[Job]:
        """Every arm on every mixture."""
        return [
            Job(f"{arm} on {name}", {"arm": arm, "data": name})
            for name in self.params.mixtures
            for arm in ARMS
        ]

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Record the mixtures of the jobs that are left."""
        del kept
        self.world = recorded_world(Path(self.params.needs_dataset))
        self.parts, self.good = {}, {}
        names = dict.fromkeys(job.settings["data"] for job in jobs)
        seeds = self.params.seeds
        with Progress("mixtures", len(names) * len(seeds)) as bar:
            bar(0)
            for name in names:
                self.parts[name], self.good[name] = [], []
                for k in seeds:
                    data, good = self.recorded(name, k)
                    self.parts[name].append(data)
                    self.good[name].append(good)
                    bar(sum(map(len, self.parts.values())), f"{name}, seed {k}")

    def recorded(self, name: str, seed: int) -> tuple[Transitions, Doubles]:
        """One mixture of one replicate, and weights that leave its good part alone."""
        block = {**self.params.mixtures[name], "seed": seed}
        generator = build(block, f"bed.trajectory_weighting.mixtures.{name}")
        episodes = generator.episodes(self.world, lambda *_: None)
        best = block["parts"][-1]["policy"]
        good = np.repeat(
            [e.source == best for e in episodes], [len(e) for e in episodes]
        )
        return transitions(episodes, self.world, name), good / good.sum()

    def run(self, job: Job, report: Report) -> Any:
        """Train an arm and play it."""
        p, arm, name = self.params, job.settings["arm"], job.settings["data"]
        parts = joined(self.parts[name])
        block = p.cloning if arm == "bc" else p.base
        weights = self.weights(arm, name)
        return scored(block, parts, self.world, p.effort(), report, weights)

    def weights(self, arm: str, name: str) -> list[Doubles] | None:
        """How likely each transition of each replicate is to be drawn."""
        if arm == "oracle":
            return self.good[name]
        if arm not in SCHEMES:
            return None
        alpha = EVEN if arm == "even" else self.params.alpha
        params = TrajectoryWeightingParams(SCHEMES[arm], alpha, 0.1)
        weighting = TrajectoryWeighting(params)
        return [weighting.weigh(data) for data in self.parts[name]]
