"""Quality tells where the data is, diversity where it is not: nine swimmer datasets.

Of Havrilla et al. 2024 (arXiv 2412.02980), a survey of tendencies. The bed makes nine
datasets of equal size of one archive, three levels of quality by three of diversity; a
quarter of the plane is held out of all. On each, goal-conditioned behaviour cloning
learns to swim to a place. It is tested with goals in the dataset's own sectors (ID) and
in the quarter held out (OOD): minus the distance from the goal at the end, m, mean over
seeds and goals. Quality Q and diversity D are what the report says of the nine: mean
z-scores of its figures.

Seen if, over the nine and by Spearman's correlation, Q goes with ID, and more than with
OOD, and D goes with OOD, and more than with ID. Intervals are of resamples of the nine,
and of each one's seeds and goals; permutation p-values are figures.

And of a language model that learns on from those of its own lines that are right: the
diversity of what it writes falls over the rounds, on every seed, and by the last one
less where one best line a cell is kept (``tasks/beds/qdc_metrics/rounds.py``). D is of
the corpora of a seed, side by side.

What is not as the method's notes have it, or must be known to read the verdict:

* Three levels by three on text, and the axis of complexity, are not looked at.
* Sectors are of the last position alone; on its way a swimmer may pass through the
  quarter held out. The archive fills that quarter too: the goals lie where it can end.
* Q is of returns, that is of saved effort, which is what this world pays for; distance
  to a goal is no part of it. Whether the two go together is what is looked at, and
  correlations with the return a test earned stand among the figures.
* Elites save nearly all there is to save, so that ``top`` and ``middle`` lie closer
  together than either to ``noisy``: returns of 249, 248 and 186 of 250 in a trial of 30
  episodes each on another archive.
"""

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.dataset_formats import Letters
from tasks.artifacts.formats import Number, Size
from tasks.artifacts.params import OneOf, Range, pick
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Results, exact, ranks_agree, worst
from tasks.statistics.composition import Composed, compose, correlations
from tasks.statistics.intervals import percentiles

Doubles = NDArray[np.float64]
Nine = dict[str, dict[str, Any]]  # what came of each dataset, by its name

LETTERS = ("quality", "diversity")
TESTS = {"id": "ID", "ood": "OOD"}
RANK = "rank correlation"
FEWEST = 3  # different datasets in a resample, or ranks say nothing
# what must be seen: a letter, the test it goes with, the one it goes with less
WANTED = (("quality", "id", "ood"), ("diversity", "ood", "id"))
Table = list[list[Number]]
_Earned = TypedDict("_Earned", {"return": Table})


class Tested(_Earned):
    """A test of every seed and goal."""

    distance: list[list[Size]]
    still: list[list[Size]]


class Dataset(TypedDict):
    """What came of a dataset."""

    metrics: Letters
    id: Tested
    ood: Tested


class Round(TypedDict):
    """What came of a filter, a row a seed and a column a round."""

    diversity: Table
    accuracy: Table
    kept: Table


class Setting(TypedDict):
    """What a job is about."""

    kind: Annotated[str, OneOf(("dataset", "text"))]


class Job(TypedDict):
    """One job."""

    settings: Setting
    result: Dataset | dict[str, Round]


class Bed(TypedDict):
    """What the bed leaves."""

    jobs: list[Job]


@dataclass(frozen=True)
class QdcClaimParams(ClaimParams):
    """How tests are resampled, and when a goal counts as reached.

    Units and ranges stand in params/claims/qdc_metrics.yaml.
    """

    draw: Annotated[int, Range(0, 2**31 - 1)]
    reached: Annotated[float, Range(0, 1e9, open=True)]
    resamples: Annotated[int, Range(100, 10**6)]


class QdcClaim(Claim[QdcClaimParams]):
    """Correlations of quality and diversity with the tests, and how the loop went."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's nine datasets and its loop."""
        jobs = results.bed("qdc_metrics", Bed).jobs
        of_kind = {
            kind: [job for job in jobs if job.settings["kind"] == kind]
            for kind in ("dataset", "text")
        }
        (loop,) = of_kind["text"]
        confidence = pick(results.params, "evaluate", "returns")["confidence"]
        nine = {job.name: job.result for job in of_kind["dataset"]}
        return self.judged(nine, loop.result, confidence)

    def judged(self, nine: Nine, loop: dict[str, Any], confidence: float) -> Outcome:
        """What must be seen, and what else there is.

        Args:
            nine: What came of each dataset, by its name.
            loop: What came of the language model.
            confidence: Of intervals, e.g. 0.95.
        """
        rows = compose({n: one["metrics"] for n, one in nine.items()}, "claim")
        letters = {x: np.array([row.letters[x] for row in rows]) for x in LETTERS}
        far = {
            kind: -np.array([nine[row.name][kind]["distance"] for row in rows])
            for kind in TESTS
        }  # (9, S, G) each
        checks = []
        for letter, more, less in WANTED:
            values = self.resampled(letters[letter], far)
            tests = TESTS[more], TESTS[less]
            first = f"{letter} with {tests[0]}"
            value = values["value"][more] - values["value"][less]
            draws = values["draws"][more] - values["draws"][less]
            apart = f"{first}, more than with {tests[1]}"
            alone = values["value"][more], values["draws"][more]
            checks += [
                Check(_figure(apart, value, draws, confidence)),
                Check(_figure(first, *alone, confidence)),
            ]
        return Outcome(
            [*checks, *falls(loop)],
            [*self._related(rows, nine), *self._table(rows, nine), *rounds(loop)],
        )

    def resampled(self, letter: Doubles, far: dict[str, Doubles]) -> dict[str, Any]:
        """Rank correlations of a letter (N,) with tests (N, S, G), by test.

        Returns:
            ``value``, of all, and ``draws`` (R,): of as many datasets drawn with
            repetition, then seeds of each, then goals; the same in all tests.
        """
        n, seeds, goals = next(iter(far.values())).shape
        draw = np.random.default_rng(self.params.draw)
        draws: dict[str, list[float]] = {kind: [] for kind in far}
        while len(draws["id"]) < self.params.resamples:
            which = draw.integers(0, n, (n,))
            row = draw.integers(0, seeds, (n, seeds, 1))
            column = draw.integers(0, goals, (n, 1, goals))
            if len(np.unique(which)) < FEWEST:
                continue
            for kind, table in far.items():
                drawn = table[which[:, None, None], row, column]
                draws[kind].append(_agree(letter[which], drawn))
        return {
            "value": {kind: _agree(letter, table) for kind, table in far.items()},
            "draws": {kind: np.array(values) for kind, values in draws.items()},
        }

    def _related(self, rows: list[Composed], nine: Nine) -> list[Figure]:
        """Correlations of all three letters with n and p; also with what is not judged.

        That is how often a goal was reached, and the return, of which Q is.
        """
        scores = {
            f"{word}{what}": {
                row.name: float(self._means(nine[row.name][kind])[name]) for row in rows
            }
            for name, what in (
                ("score", ""),
                ("within", ", goals reached"),
                ("return", ", return"),
            )
            for kind, word in TESTS.items()
        }
        figures = []
        for one in correlations(rows, scores, self.params.draw):
            name = f"{one.letter} with {one.score}, {one.n} datasets"
            if one.rho is None or one.p is None:
                continue
            figures += [exact(name, one.rho, RANK), exact(f"{name}: p", one.p, "")]
        return figures

    def _means(self, test: dict[str, Any]) -> dict[str, Any]:
        """Means over seeds and goals of what was measured in a test."""
        values = {name: np.array(value) for name, value in test.items()}
        return {
            "score": -values["distance"].mean(),
            "within": 100 * (values["distance"] <= self.params.reached).mean(),
            "return": values["return"].mean(),
            "still": values["still"].mean(),
        }

    def _table(self, rows: list[Composed], nine: Nine) -> list[Figure]:
        """A block a dataset."""
        figures = []
        for row in rows:
            for letter, value in row.letters.items():
                if value is not None:
                    figures.append(exact(f"{row.name}: {letter}", value, "mean z"))
            for kind, word in TESTS.items():
                measured = self._means(nine[row.name][kind])
                words = f"{row.name}, {word}"
                near = f"{words}: within {self.params.reached:g} m"
                figures += [
                    exact(f"{words}: distance", -measured["score"], "m"),
                    exact(
                        f"{words}: distance of doing nothing", measured["still"], "m"
                    ),
                    exact(near, measured["within"], "%"),
                    exact(f"{words}: return", measured["return"], "return"),
                ]
        return figures


def falls(loop: dict[str, Any]) -> list[Check]:
    """What must be seen of the loop, of the worst seed."""
    hard, wide = (np.array(loop[name]["diversity"]) for name in ("quality", "cells"))
    fell = dict(enumerate((hard[:, 0] - hard[:, -1]).tolist()))
    less = dict(enumerate((wide[:, -1] - hard[:, -1]).tolist()))
    word = "text: diversity at the"
    return [
        Check(worst(fell, f"{word} start over that at the end, worst seed", "mean z")),
        Check(worst(less, f"{word} end, by cells over not, worst seed", "mean z")),
    ]


def rounds(loop: dict[str, Any]) -> list[Figure]:
    """Of every filter and round, mean over seeds."""
    figures = []
    for name, measured in loop.items():
        means = (np.mean(measured[key], 0) for key in ("diversity", "accuracy"))
        for k, (spread, right) in enumerate(zip(*means, strict=True)):
            words = f"text by {name}, round {k}"
            figures += [
                exact(f"{words}: diversity", spread, "mean z"),
                exact(f"{words}: right lines", 100 * right, "%"),
            ]
        figures += [
            exact(f"text by {name}, round {k}: lines kept", value, "lines")
            for k, value in enumerate(np.mean(measured["kept"], 0), 1)
        ]
    return figures


def _agree(letter: Doubles, table: Doubles) -> float:
    """Rank correlation of a letter (N,) with the means of a test (N, S, G)."""
    return ranks_agree(letter.tolist(), table.mean((1, 2)).tolist())


def _figure(name: str, value: float, draws: Doubles, confidence: float) -> Figure:
    """A rank correlation with the middle part of its resamples."""
    low, high = percentiles(draws, confidence)
    return Figure(name, float(value), low, high, RANK)
