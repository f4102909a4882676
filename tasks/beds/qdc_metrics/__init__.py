"""The bed of ``qdc_metrics``: nine datasets a draw, and a language model's loop.

The nine are made of one archive, three levels of quality by three of diversity
(``datasets.py``); each of ``draws`` plays, chooses and sets goals anew. On each a
policy learns to swim to a goal and is tested with goals it has seen and has not
(``goals.py``). The language model learns on from its own lines, filtered in two ways
(``rounds.py``). Which figures are measured of a dataset, ``tasks/measure/qdc_metrics/``
says. A job's ``kind`` says what its result is:

* ``dataset``: ``metrics``, as a metrics.json; ``id`` and ``ood``, of the tests with
  goals in its own sectors and in those held out, what :func:`goals.played` gives;
* ``text``: what :func:`rounds.looped` gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, Range
from tasks.artifacts.progress import Progress
from tasks.artifacts.recorded import read_world
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.beds.qdc_metrics.datasets import write_datasets
from tasks.beds.qdc_metrics.design import Design
from tasks.beds.qdc_metrics.goals import Cloned, cloned, hindsight, played
from tasks.beds.qdc_metrics.rounds import Rounds, looped
from tasks.measure.qdc_metrics import QdcMetrics, QdcParams, world_of
from tasks.measure.qdc_metrics.embedding import Yardstick
from tasks.measure.qdc_metrics.figures import blocks
from tasks.measure.qdc_metrics.sample import Source
from tasks.worlds import World
from tasks.worlds.engine.recorded import recorded_world

MADE_BY = "python -m tasks.beds --bed qdc_metrics"
TEXT = "text_"  # how names of the language model's parameters begin


@dataclass(frozen=True)
class QdcBedParams(BedParams):
    """Which datasets, who learns from them, and the language model's loop.

    Units and ranges stand in params/beds/qdc_metrics.yaml.

    Attributes:
        metrics: The study's block ``measure.qdc_metrics``.
    """

    metrics: dict[str, Any]
    sectors: Annotated[int, Range(2, 1000)]
    held_out: Annotated[tuple[int, ...], Range(0, 1000), Distinct()]
    one: Annotated[tuple[int, ...], Range(0, 1000), Distinct()]
    half: Annotated[tuple[int, ...], Range(0, 1000), Distinct()]
    every: Annotated[tuple[int, ...], Range(0, 1000), Distinct()]
    plays: Annotated[int, Range(2, 10_000)]
    goal_plays: Annotated[int, Range(1, 10**6)]
    noise: Annotated[float, Range(0, 1e9)]
    neighbours: Annotated[int, Range(1, 10**6)]
    episodes: Annotated[int, Range(10, 10**6)]
    goals: Annotated[int, Range(1, 10**6)]
    draws: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    updates: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    rate: Annotated[float, Range(0, 1, open=True)]
    text_seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    text_rounds: Annotated[int, Range(1, 10**6)]
    text_lines: Annotated[int, Range(1, 10**6)]
    text_samples: Annotated[int, Range(10, 10**6)]
    text_steps: Annotated[int, Range(1, 10**9)]
    text_more_steps: Annotated[int, Range(1, 10**9)]
    text_batch: Annotated[int, Range(1, 2**20)]
    text_rate: Annotated[float, Range(0, 1, open=True)]
    text_width: Annotated[int, Range(4, 65_536)]

    def __post_init__(self) -> None:
        """Also refuse a design that cannot be made, and unknown metrics."""
        super().__post_init__()
        check_inner({"metrics": self.metrics}, {"metrics": QdcMetrics})
        self.design(self.draws[0]).check()
        self.measured()

    def design(self, draw: int) -> Design:
        """Of the nine datasets of a draw."""
        same = set(Design.__dataclass_fields__) - {"diversities", "draw"}
        levels = {"one": self.one, "half": self.half, "all": self.every}
        given = {name: getattr(self, name) for name in same}
        return Design(diversities=levels, draw=draw, **given)

    def cloned(self) -> Cloned:
        """Of who learns."""
        return Cloned(**{n: getattr(self, n) for n in Cloned.__dataclass_fields__})

    def loop(self) -> Rounds:
        """Of the language model."""
        names = Rounds.__dataclass_fields__
        return Rounds(**{name: getattr(self, f"{TEXT}{name}") for name in names})

    def measured(self) -> QdcParams:
        """Of what is measured."""
        return QdcParams.parse(self.metrics, "metrics")


class QdcBed(Bed[QdcBedParams]):
    """Makes, measures, learns from and tests the nine; runs the loop.

    Attributes:
        world: Where the archive's policies act.
        folders: Of the nine datasets of each draw.
        sources: All of them, by name and draw.
        by: What they are measured by, side by side.
    """

    world: World
    folders: dict[int, Path]
    sources: dict[str, Source]
    by: Yardstick

    def inputs(self) -> Mapping[str, str]:
        """The archive, by the card of its dataset, and its world."""
        dataset = Path(self.params.needs_dataset)
        return {
            "archive": sha256(dataset / "card.json"),
            "world": sha256(dataset / "world.json"),
        }

    def jobs(self) -> Sequence[Job]:
        """The nine datasets of each draw, and the language model."""
        names = QdcBedParams.__dataclass_fields__
        text = tuple(name for name in names if name.startswith(TEXT))
        others = {*names, "archive", "world"} - {*text, "metrics"}
        return [
            *(
                Job(
                    f"{name}_{draw}",
                    {"kind": "dataset", "dataset": name, "draw": draw},
                    text,
                )
                for draw in self.params.draws
                for name in self.params.design(draw).names
            ),
            Job("text", {"kind": "text"}, tuple(sorted(others))),
        ]

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Make the datasets, if a job is left that needs them, and open them."""
        if all(job.settings["kind"] == "text" for job in jobs):
            return
        archive = Path(self.params.needs_dataset)
        block = read_world(archive)["world"]
        self.world = recorded_world(archive)
        self.folders, self.sources = {}, {}
        for draw in self.params.draws:
            design = self.params.design(draw)
            folder = kept.place({"design": asdict(design), **self.inputs()})
            if not folder.exists():
                with Progress(f"elites play, draw {draw}", 1.0) as bar:
                    given = archive, self.world, block, design
                    write_datasets(folder, *given, progress=bar)
            self.folders[draw] = folder
            for name in design.names:
                source = Source.open(folder / f"{name}-v0")
                named = f"{name}_{draw}"
                self.sources[named] = replace(source, name=named)
        metrics = QdcMetrics(self.params.measured())
        self.by = metrics.yardstick(list(self.sources.values()))

    def run(self, job: Job, report: Report) -> Any:
        """Measure a dataset and learn from it, or run the loop."""
        if job.settings["kind"] == "text":
            return looped(self.params.loop(), self.params.measured(), report)
        name, draw = job.settings["dataset"], job.settings["draw"]
        source = self.sources[f"{name}_{draw}"]
        return {"metrics": self.measured(source), **self.tested(name, draw, report)}

    def measured(self, source: Source) -> dict[str, Any]:
        """A dataset beside all the others, as metrics.json has it; without a gate."""
        metrics, by = self.params.measured(), self.by
        figures = QdcMetrics(metrics).measure(source, by, world_of(source))
        return {
            "dataset": source.name,
            "world": source.world.get("name"),
            "peers": list(by.peers),
            "episodes": by.n_episodes,
            "steps": by.n_steps,
            "seed": metrics.seed,
            "bandwidth": by.bandwidth,
            **blocks(figures),
        }

    def tested(self, name: str, draw: int, report: Report) -> dict[str, Any]:
        """Learn from a dataset, and play for the goals of both tests."""
        folder = self.folders[draw]
        goals = read_json(folder / "goals.json", MADE_BY)
        data = hindsight(folder / f"{name}-v0", self.world)
        policy = cloned(data, self.params.cloned(), report)
        own = {"id": name.split("_", 1)[1], "ood": "held_out"}
        return {
            kind: played(policy, np.array(goals[where]), self.world, draw)
            for kind, where in own.items()
        }
