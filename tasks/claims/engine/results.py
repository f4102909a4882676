"""What a study and its bed left, for those who check a claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.curves import read_curves
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import TABLE, Episodes, read_evaluation
from tasks.artifacts.formats import Bed, Number
from tasks.artifacts.measured import read_measured
from tasks.artifacts.params import PARAMS
from tasks.artifacts.recorded import World, scored_world
from tasks.artifacts.typed_json import check_typed, read_typed

Floats = NDArray[np.float64]


class Scored(TypedDict):
    """``card.json`` of a dataset, as far as it is compared."""

    score_mean: Number


@dataclass(frozen=True)
class Results:
    """The artifacts of a study.

    Attributes:
        params: The composed parameters.
        root: Folder of the artifacts.
    """

    params: Mapping[str, Any]
    root: Path = Path("data")

    @property
    def seeds(self) -> list[int]:
        """The training seeds, S."""
        return list(self.params["study"]["seeds"])

    def score(self, dataset: str, policy: str, variant: str = "float32") -> Floats:
        """Normalised return of every episode, (S, E): 0 random, 100 best behaviour.

        Raises:
            RefusedError: If the study did not play it.
        """
        world = self.world(dataset)
        low, high = world["ref_min"], world["ref_max"]
        table = self.returns(dataset, policy, variant)
        score: Floats = 100 * (table - low) / (high - low)
        return score

    def means(self, dataset: str, policy: str, variant: str = "float32") -> Floats:
        """Mean score over each seed's episodes, (S,).

        Raises:
            RefusedError: If the study did not play it.
        """
        means: Floats = self.score(dataset, policy, variant).mean(axis=1)
        return means

    def returns(self, dataset: str, policy: str, variant: str = "float32") -> Floats:
        """Return of every episode, (S, E), units of the world.

        Raises:
            RefusedError: If the study did not play it.
        """
        table: Floats = self.episodes(dataset, policy, variant).table()
        return table

    def lengths(self, dataset: str, policy: str, variant: str = "float32") -> Floats:
        """Steps of every episode, (S, E).

        Raises:
            RefusedError: If the study did not play it.
        """
        played = self.episodes(dataset, policy, variant)
        table: Floats = played.length.reshape(played.table().shape).astype(np.float64)
        return table

    def episodes(self, dataset: str, policy: str, variant: str) -> Episodes:
        """Every episode of a policy's files.

        Raises:
            RefusedError: If the study did not play it.
        """
        folder = self.root / "evaluations" / dataset / policy / variant
        if not folder.exists():
            missing = f"no {policy} / {variant} on {dataset}"
            mend = "take it into the study, or the claim out of its defaults"
            raise RefusedError(
                PARAMS, "study", missing, "what the claim compares", mend
            )
        episodes, _ = read_evaluation(folder, "dvc repro")
        if episodes.seeds != sorted(self.seeds):
            mend = "make it again with: dvc repro"
            raise RefusedError(
                folder / TABLE, "seed", episodes.seeds, sorted(self.seeds), mend
            )
        return episodes

    def metric(self, dataset: str, policy: str, variant: str, metric: str) -> Floats:
        """A metric of a predictor's files on every replicate, (S, R), in its unit.

        Raises:
            RefusedError: If the study did not measure it.
        """
        folder = self.root / "evaluations" / dataset / policy / variant / metric
        if not folder.exists():
            missing = f"no {metric} of {policy} / {variant} on {dataset}"
            mend = "take it into the study, or the claim out of its defaults"
            raise RefusedError(
                PARAMS, "study", missing, "what the claim compares", mend
            )
        rows, told = read_measured(folder, "dvc repro")
        if told["seeds"] != self.seeds:
            mend = "make it again with: dvc repro"
            raise RefusedError(folder, "seeds", told["seeds"], self.seeds, mend)
        return rows.table()

    def data_score(self, dataset: str) -> float:
        """Mean score of a dataset's episodes.

        Raises:
            RefusedError: If its card is missing or damaged.
        """
        folder = self.root / "datasets" / f"{dataset}-v0"
        return read_typed(folder / "card.json", "dvc repro", Scored)["score_mean"]

    def world(self, dataset: str) -> World:
        """The parameters of the world a dataset was recorded in."""
        folder = self.root / "datasets" / f"{dataset}-v0"
        return scored_world(folder)

    def bed(self, name: str, kind: Any) -> "BedResults":
        """What a bed left.

        Args:
            name: Of the bed.
            kind: What its results.json has to hold, a description (``typed_json.py``).

        Raises:
            RefusedError: If the study has no such bed, or it did not run.
        """
        path = self.root / "beds" / name / "results.json"
        command = f"python -m tasks.beds --bed {name}"
        content = read_typed(path, command, Bed)
        mend = f"make it again with: {command}"
        if content["bed"] != name:
            raise RefusedError(path, "bed", content["bed"], name, mend)
        check_typed(content, kind, path, mend)
        jobs = [
            JobResult(j["name"], j["settings"], j["result"]) for j in content["jobs"]
        ]
        return BedResults(content["parameters"], jobs)

    def last(self, dataset: str, learner: str, column: str) -> Floats:
        """A column of the training curves at the end, (S,)."""
        folder = self.root / "policies" / dataset / learner
        curves = read_curves(folder, "dvc repro", column)
        last = curves[curves["update"] == curves["update"].max()]
        return last[column].to_numpy(np.float64)


@dataclass(frozen=True)
class JobResult:
    """What came of one job of a bed.

    Attributes:
        name: Of the job.
        settings: What sets it apart from the bed's other jobs.
        result: Plain JSON; the bed's file says what.
    """

    name: str
    settings: Mapping[str, Any]
    result: Any


@dataclass(frozen=True)
class BedResults:
    """What a bed left.

    Attributes:
        parameters: Of the bed.
        jobs: In its order.
    """

    parameters: Mapping[str, Any]
    jobs: Sequence[JobResult]
