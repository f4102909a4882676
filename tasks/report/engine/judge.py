"""Judge every variant: against its float32 parent, and against the best learner.

All figures here are normalised scores, so that worlds can stand side by side. The best
learner of a dataset is the one whose float32 files have the highest score; it is
chosen on the episodes that are shown, so its own score flatters a little.

The answer, which file to ship, stands on both: the smallest file that is as good as its
own parent, by the verdict of the table, and not worse than the best learner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.formats import ActionError
from tasks.artifacts.params import PARAMS
from tasks.artifacts.variants import PARENT
from tasks.report.engine.collect import Data, Study
from tasks.report.engine.predicted import Predicted
from tasks.report.engine.result import Files, Result
from tasks.statistics.rule import VerdictParams
from tasks.statistics.verdict import GOOD, Verdict, judge_scores, of_compressor

WHERE: tuple[Literal["data", "visited"], ...] = ("data", "visited")


@dataclass(frozen=True)
class Kept:
    """One variant of one learner, played, measured or neither.

    Attributes:
        data: The dataset it is of.
        result: What was found of it.
        parent: The same learner's float32 variant; itself where it is that one.
        ratio: Bytes against the parent's.
    """

    data: Data | Predicted
    result: Files
    parent: Files
    ratio: float

    @property
    def name(self) -> str:
        """Learner / variant."""
        return f"{self.result.learner} / {self.result.variant}"

    @property
    def is_parent(self) -> bool:
        """Whether it is a float32 variant."""
        return self.result.variant == PARENT


@dataclass(frozen=True)
class Row(Kept):
    """One variant that was played, judged.

    Attributes:
        data: The dataset it is of.
        result: What was found of it.
        parent: The same learner's float32 variant; itself where it is that one.
        verdict: Against the parent.
        against_best: Against the best learner's float32 variant.
    """

    data: Data
    result: Result
    parent: Result
    verdict: Verdict
    against_best: Verdict

    @property
    def score(self) -> tuple[float, float, float]:
        """Low, IQM, high."""
        score = self.result.metrics["score"]
        return float(score["low"]), float(score["iqm"]), float(score["high"])

    @property
    def action_errors(self) -> dict[str, ActionError]:
        """Distance to float32's actions, by where: ``data`` and ``visited``."""
        known = self.result.metrics.get("action_error", {})
        return {where: known[where] for where in WHERE if where in known}


def kept(data: Data | Predicted) -> list[Kept]:
    """Every variant on data without a world, in the study's order."""
    pairs = [
        (what, data.unplayed[what.learner, PARENT]) for what in data.unplayed.values()
    ]
    return [
        Kept(data, what, parent, what.bytes / parent.bytes) for what, parent in pairs
    ]


def rows(study: Study, params: VerdictParams) -> list[Row]:
    """Every variant of a study, judged, in the study's order.

    Args:
        study: What was collected.
        params: How differences are judged.

    Raises:
        RefusedError: If the study has no float32 variant, or two variants did not
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
    judged = []
    for data in study.datasets:
        best = best_of(data)
        for result in data.results.values():
            parent = data.results[result.learner, PARENT]
            verdict = _verdict(data, result, parent, params)
            against_best = (
                verdict if parent is best else _verdict(data, result, best, params)
            )
            ratio = result.bytes / parent.bytes
            judged.append(Row(data, result, parent, ratio, verdict, against_best))
    return judged


def best_of(data: Data) -> Result:
    """The float32 variant with the highest score; the first of equals."""
    parents = [r for (_, variant), r in data.results.items() if variant == PARENT]
    return max(parents, key=lambda r: float(r.metrics["score"]["iqm"]))


def answer(rows: Sequence[Row]) -> Row | None:
    """The smallest variant of one dataset that is as good as the best learner.

    Args:
        rows: Of one dataset.

    Returns:
        The smallest that HELD or IMPROVED, against its own parent and the best learner
        both; the higher score among equals; None if only float32 variants did.
    """
    held = [
        r
        for r in rows
        if not r.is_parent and r.verdict.word in GOOD and r.against_best.word in GOOD
    ]
    return min(held, key=lambda r: (r.result.bytes, -r.score[1]), default=None)


def _verdict(
    data: Data, child: Result, parent: Result, params: VerdictParams
) -> Verdict:
    related = child.learner == parent.learner
    played = child.episodes, parent.episodes
    verdict = judge_scores(*played, data.world, params, related=related)
    return of_compressor(verdict, *played) if related else verdict
