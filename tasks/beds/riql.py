"""The bed of the claim ``riql``: corruptions drawn anew with every training seed.

A job is an arm on the clean data or on one of its four random corruptions, whose mask
and noise in replicate k are drawn with seed k, as the training is. Its result is what
``cores/offline.py`` gives.

| arm | learner |
|---|---|
| ``iql`` | the authors' IQL: observations as they are, least of 2 critics, squares |
| ``normalised`` | the same with normalised observations, the first thing RIQL adds |
| ``riql`` | RIQL with the authors' settings of each field |
| ``bc`` | cloning, of the clean data alone |

Squared errors are Huber's with a delta of 1 / sigma^2 above 1 000.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from gymnasium.spaces import Box

from tasks.artifacts.dataset import load_episodes
from tasks.artifacts.episodes import Episode
from tasks.artifacts.files import sha256
from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, Range
from tasks.beds import Bed, BedParams, Job, Report
from tasks.beds.cores.offline import Effort, Parts, joined, scored, transitions
from tasks.generate.corrupt import Corrupt, CorruptParams
from tasks.worlds import World
from tasks.worlds.engine.recorded import recorded_world

CLEAN = "clean"
ARMS = ("iql", "riql", "bc", "normalised")


@dataclass(frozen=True)
class RIQLBedParams(BedParams):
    """Which corruptions, who learns from them, and how.

    Units and ranges stand in params/beds/riql.yaml.

    Attributes:
        corruption: Parameters of a random corruption; its field and seed are replaced.
        robust: Parameters of RIQL, with its class, on clean data.
        fields: By corrupted field, what differs from these.
        plain: What makes the authors' IQL of them.
        cloning: Parameters of bc, with its class.
    """

    corruption: dict[str, Any]
    robust: dict[str, Any]
    fields: dict[str, Any]
    plain: dict[str, Any]
    cloning: dict[str, Any]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    updates: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    episodes: Annotated[int, Range(2, 10**6)]
    start_seed: Annotated[int, Range(0, 2**20)]

    def effort(self) -> Effort:
        """How much is trained and played."""
        return Effort(**{n: getattr(self, n) for n in Effort.__dataclass_fields__})


class RIQLBed(Bed[RIQLBedParams]):
    """Corrupts a dataset once a seed and field, trains the arms on it and plays.

    Attributes:
        world: Of the dataset.
        episodes: The clean ones.
    """

    world: World
    episodes: list[Episode]

    def inputs(self) -> Mapping[str, str]:
        """The clean dataset."""
        return {"dataset": sha256(Path(self.params.needs_dataset) / "card.json")}

    def jobs(self) -> Sequence[Job]:
        """Every arm on every kind of data; what decides comes first."""
        wrong = tuple(self.params.fields)
        kinds = {"bc": (CLEAN,), "normalised": wrong}
        return [
            Job(f"{arm} on {kind}", {"arm": arm, "data": kind})
            for arm in ARMS
            for kind in kinds.get(arm, (CLEAN, *wrong))
        ]

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Read the clean dataset."""
        del jobs, kept
        folder = Path(self.params.needs_dataset)
        self.world = recorded_world(folder)
        self.episodes, _ = load_episodes(folder)

    def run(self, job: Job, report: Report) -> Any:
        """Train an arm and play it."""
        arm, kind = job.settings["arm"], job.settings["data"]
        block, effort = self.block(arm, kind), self.params.effort()
        return scored(block, self.parts(kind), self.world, effort, report)

    def parts(self, kind: str) -> Parts:
        """The data of all replicates, clean or with one field corrupted."""
        clean = transitions(self.episodes, self.world, kind)
        if kind == CLEAN:
            return joined([clean] * len(self.params.seeds))
        space = self.world.action_space
        assert isinstance(space, Box)  # noqa: S101  # as every corrupted world's
        read = []
        for seed in self.params.seeds:
            block = {**self.params.corruption, "field": kind, "seed": seed}
            corrupt = Corrupt(CorruptParams.parse(block, "bed.riql.corruption"))
            wrong, _ = corrupt.corrupt(self.episodes, space, None, lambda *_: None)
            read.append(transitions(wrong, self.world, kind))
        return joined(read)

    def block(self, arm: str, kind: str) -> dict[str, Any]:
        """The parameters of an arm's learner, with its class."""
        p = self.params
        if arm == "bc":
            return p.cloning
        if arm == "riql":
            return {**p.robust, **p.fields.get(kind, {})}
        normalise = {"normalise": "pairs"} if arm == "normalised" else {}
        return {**p.robust, **p.plain, **normalise}
