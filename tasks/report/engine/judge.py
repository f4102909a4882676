"""Judge every artifact: against its float32 parent, and against the best learner.

All figures here are normalised scores, so that worlds can stand side by side. The best
learner of a dataset is the one whose float32 artifact has the highest score; it is
chosen on the episodes that are shown, so its own score flatters a little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.evaluate import Episodes
from tasks.evaluate.returns import ReturnsParams
from tasks.report.engine.collect import PARENT, Artifact, Data, Study
from tasks.statistics.verdict import judge, margin_of

GOOD = ("HELD", "IMPROVED")


@dataclass(frozen=True)
class Judged:
    """A verdict, in normalised score.

    Attributes:
        word: IMPROVED, HELD, SUSPECT, REGRESSED or UNDERPOWERED.
        difference: Mean of the paired differences.
        low: Lower end of its interval.
        high: Upper end.
        margin: The loss that is tolerated.
        regressed_seeds: Training seeds that regressed by themselves.
    """

    word: str
    difference: float
    low: float
    high: float
    margin: float
    regressed_seeds: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One artifact, judged.

    Attributes:
        parent: The same learner's float32 artifact; itself where it is that one.
        ratio: Bytes against the parent's.
        judged: Against the parent.
        best: Against the best learner's float32 artifact.
    """

    data: Data
    artifact: Artifact
    parent: Artifact
    ratio: float
    judged: Judged
    best: Judged

    @property
    def name(self) -> str:
        """Learner / variant."""
        return f"{self.artifact.learner} / {self.artifact.variant}"

    @property
    def is_parent(self) -> bool:
        """Whether it is a float32 artifact."""
        return self.artifact.variant == PARENT

    @property
    def score(self) -> tuple[float, float, float]:
        """Low, IQM, high."""
        score = self.artifact.metrics["score"]
        return float(score["low"]), float(score["iqm"]), float(score["high"])


def rows(study: Study, params: ReturnsParams) -> list[Row]:
    """Every artifact of a study, judged, in the study's order.

    Args:
        study: What was collected.
        params: Of the evaluation: margin, confidence, resamples, resample_seed.

    Raises:
        RefusedError: If the study has no float32 variant, or two artifacts did not
            play the same starts.
    """
    if PARENT not in study.block["variants"]:
        raise RefusedError(
            PARAMS,
            "study.variants",
            study.block["variants"],
            f"{PARENT} among them, which the others are judged against",
            f"add {PARENT} to study.variants",
        )
    found = []
    for data in study.datasets:
        best = best_of(data)
        for artifact in data.artifacts.values():
            parent = data.artifacts[artifact.learner, PARENT]
            judged = _judged(data, artifact, parent, params)
            found.append(
                Row(
                    data=data,
                    artifact=artifact,
                    parent=parent,
                    ratio=artifact.bytes / parent.bytes,
                    judged=judged,
                    best=(
                        judged
                        if parent is best
                        else _judged(data, artifact, best, params)
                    ),
                )
            )
    return found


def best_of(data: Data) -> Artifact:
    """The float32 artifact with the highest score; the first of equals."""
    parents = [a for (_, variant), a in data.artifacts.items() if variant == PARENT]
    return max(parents, key=lambda a: float(a.metrics["score"]["iqm"]))


def answer(rows: Sequence[Row]) -> Row | None:
    """The smallest artifact of one dataset that is as good as the best learner.

    Args:
        rows: Of one dataset.

    Returns:
        The smallest that HELD or IMPROVED; the higher score among equals; None if only
        float32 artifacts did.
    """
    held = [r for r in rows if r.best.word in GOOD and not r.is_parent]
    return min(held, key=lambda r: (r.artifact.bytes, -r.score[1]), default=None)


def _judged(
    data: Data, child: Artifact, parent: Artifact, params: ReturnsParams
) -> Judged:
    """A verdict on two artifacts of one dataset."""
    return scored(child.episodes, parent.episodes, data.world, params)


def scored(
    child: Episodes, parent: Episodes, world: Mapping[str, Any], params: ReturnsParams
) -> Judged:
    """A verdict, its figures taken from returns to scores.

    Args:
        child: What is judged.
        parent: What it is judged against.
        world: Of both: ``ref_min`` and ``ref_max``.
        params: Of the evaluation: margin, confidence, resamples, resample_seed.

    Raises:
        RefusedError: If the two did not play the same starts.
    """
    low, high = float(world["ref_min"]), float(world["ref_max"])
    unit = 100.0 / (high - low)
    found = judge(
        child,
        parent,
        margin_of(params.margin, float(parent.returns.mean()), low, high),
        resamples=params.resamples,
        confidence=params.confidence,
        resample_seed=params.resample_seed,
    )
    return Judged(
        word=found.verdict,
        difference=found.difference * unit,
        low=found.low * unit,
        high=found.high * unit,
        margin=found.margin * unit,
        regressed_seeds=tuple(found.regressed_seeds),
    )
