"""The bed of the claim ``dsac_t``: rewards at several scales, in training only.

A job is an arm; its slices are the scales, each with all seeds, in one stack. Returns
are those of the world itself, of greedy actions, whatever the scale.

| arm | what it is |
|---|---|
| ``dsac_t`` | DSAC-T |
| ``dsac_v1`` | its predecessor, whose bound of the targets is the same at every scale |
| ``dsac_v1_scaled`` | the same with the bound times the scale, set by hand |
| ``sac`` | SAC on the same networks |
| ``dsac_t_paper`` | DSAC-T by the paper's gradient, without Huber's loss of the code |
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from tasks.artifacts.files import read_json, write_json
from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, Range, build, class_of
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.beds.cores.offline import Effort, played
from tasks.learn.dsac_t import DSACT
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.train.engine.loop import Curves
from tasks.train.engine.slices import in_slices
from tasks.worlds import World

ARMS: dict[str, dict[str, Any]] = {
    "dsac_t": {"algorithm": "dsac_t"},
    "dsac_v1": {"algorithm": "dsac_v1"},
    "dsac_v1_scaled": {"algorithm": "dsac_v1"},
    "sac": {"algorithm": "sac"},
    "dsac_t_paper": {"algorithm": "dsac_t", "loss": "paper"},
}
TOLD = ("clipped", "deviation", "temperature", "value")  # metrics of the first and last


@dataclass(frozen=True)
class DSACTBedParams(BedParams):
    """Which scales, who learns, and for how long.

    Units and ranges stand in params/beds/dsac_t.yaml.

    Attributes:
        world: Its block.
        learner: Parameters of DSAC-T, with its class.
        scales: Of the rewards.
        evaluations: How often policies are played, the last time at the end.
        every: Steps between two such times.
    """

    world: dict[str, Any]
    learner: dict[str, Any]
    scales: Annotated[tuple[float, ...], Range(0, 1e9, open=True), Distinct(1)]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    steps: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    evaluations: Annotated[int, Range(1, 100)]
    every: Annotated[int, Range(1, 10**9)]
    episodes: Annotated[int, Range(2, 10**6)]
    start_seed: Annotated[int, Range(0, 2**20)]


class DSACTBed(Bed[DSACTBedParams]):
    """Lets the arms learn and plays what they learned.

    Attributes:
        places: Of the runs, by job.
    """

    places: dict[str, Path]

    @classmethod
    def check_params(cls, params: DSACTBedParams, where: str) -> None:
        """Refuse a block of another learner."""
        check_inner({"learner": params.learner}, {"learner": DSACT}, where)

    def jobs(self) -> Sequence[Job]:
        """The arms; those that decide come first."""
        return [Job(arm, {"arm": arm}) for arm in ARMS]

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Give each run a place that outlives a kill."""
        numbers = asdict(self.params)
        self.places = {j.name: kept.place({"run": j.name, **numbers}) for j in jobs}

    def learner(self, arm: str, world: World) -> DSACT:
        """The stack of an arm: each scale with all seeds.

        Args:
            arm: One of ``ARMS``.
            world: Where it acts.
        """
        p, where = self.params, "bed.dsac_t.learner"
        cls = class_of(p.learner, where)
        blocks = [p.learner | ARMS[arm] | {"reward_scale": scale} for scale in p.scales]
        if arm == "dsac_v1_scaled":
            bound = p.learner["bound"]
            blocks = [
                block | {"bound": bound * block["reward_scale"]} for block in blocks
            ]
        params = [cls.Parameters.parse(block, where) for block in blocks]
        learner: DSACT = cls(
            params=in_slices(params, len(p.seeds)),
            spaces=spaces(world),
            seeds=p.seeds * len(p.scales),
            updates=p.steps,
        )
        learner.labels = [f"seed {k} at scale {c:g}" for c in p.scales for k in p.seeds]
        return learner

    def run(self, job: Job, report: Report) -> Any:
        """Let an arm learn at all scales, and play it at the end.

        Returns:
            ``score`` and ``noise`` (even episodes less odd ones), a list a scale of a
            number a seed; ``first`` and ``last``, what the curves say there, likewise.
        """
        p, place = self.params, self.places[job.name]
        world: World = build(p.world, "bed.dsac_t.world")
        learner = self.learner(job.settings["arm"], world)
        times = [p.steps - i * p.every for i in reversed(range(p.evaluations))]
        effort = Effort(p.seeds, p.steps, p.batch, p.episodes, p.start_seed)

        def keep(done: int) -> None:
            returns, _ = played(learner.policy(), world, effort)
            place.mkdir(parents=True, exist_ok=True)
            write_json(place / f"{done}.json", world.score(returns).tolist())

        curves = learn(
            *(learner, world, p.steps, p.batch),
            place=place / "run",
            report=lambda done, _: report(done / p.steps),
            moments=times,
            keep=keep,
        )
        read = [read_json(place / f"{done}.json", "dvc repro") for done in times]
        scores = np.array(read)  # (times, scales x seeds, episodes)
        shape, halves = (len(p.scales), len(p.seeds)), scores[..., ::2].mean((0, 2))
        shutil.rmtree(place)
        return {
            "score": scores.mean((0, 2)).reshape(shape).tolist(),
            "noise": (halves - scores[..., 1::2].mean((0, 2))).reshape(shape).tolist(),
            "first": told(curves, shape, 0),
            "last": told(curves, shape, -1),
        }


def told(
    curves: Curves, shape: tuple[int, int], at: int
) -> Mapping[str, list[list[float]]]:
    """What the curves say of each slice at a log, by the names of ``TOLD``.

    Args:
        curves: A row a slice and log.
        shape: Scales and seeds.
        at: Number of the log; -1 for the last.
    """
    rows = np.array(curves.rows).reshape(-1, shape[0] * shape[1], len(curves.columns))
    columns = {name: rows[at, :, curves.columns.index(name)] for name in TOLD}
    return {name: values.reshape(shape).tolist() for name, values in columns.items()}
