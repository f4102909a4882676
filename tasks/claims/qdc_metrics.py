"""Quality tells where the data is, diversity where it is not: swimmer datasets.

Of Havrilla et al. 2024 (arXiv 2412.02980), a survey of tendencies. The bed makes
datasets of equal size of one archive, three levels of quality by three of diversity, in
several draws; a quarter of the plane is held out of all. On each, goal-conditioned
behaviour cloning learns to swim to a place. It is tested with goals in the dataset's
own sectors (ID) and in the quarter held out (OOD): minus the distance from the goal at
the end, m, mean over seeds and goals. Quality Q and diversity D are what the report
says of all: mean z-scores of its figures.

The primary: the slope of the OOD score on D, with Q held, over the datasets, with a
permutation interval. Beside it stand the slope of the ID score on Q with D held, all
rank correlations with their permutation p-values, and a language model that learns on
from those of its own lines that are right: how the diversity of what it writes falls
over the rounds, and by the last one less where one best line a cell is kept
(``tasks/beds/qdc_metrics/rounds.py``). D is of the corpora of a seed, side by side.

The positive control is the ID score of the datasets of the best quality, which have to
end nearer to goals of their own than doing nothing does; goals of the OOD test have to
be within reach of those of all sectors. The noise is
the slope of what the test says by half of its goals less what it says by the others.

What is not as the method's notes have it, or must be known to read the figures:

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
from tasks.artifacts.params import OneOf, Range
from tasks.claims import Claim, ClaimParams, Figure, Gate, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import Results
from tasks.statistics.composition import Composed, compose, correlations
from tasks.statistics.replicates import partial_slope

Doubles = NDArray[np.float64]
Nine = dict[str, dict[str, Any]]  # what came of each dataset, by its name

LETTERS = ("quality", "diversity")
TESTS = {"id": "ID", "ood": "OOD"}
RANK = "rank correlation"
DATASETS, MODELS = "datasets", "language models"
CEILING = 95.0  # % of the goals
# the letter whose slope is asked for, the test it should go with, the letter held
D_OOD = "diversity", "quality"  # whose slope the primary is, and what it holds
SLOPES = (("diversity", "ood", "quality"), ("quality", "id", "diversity"))
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
        nine = {job.name: job.result for job in of_kind["dataset"]}
        return self.judged(nine, loop.result)

    def judged(self, nine: Nine, loop: dict[str, Any]) -> Outcome:
        """What came of the datasets and the loop.

        Args:
            nine: What came of each dataset, by its name.
            loop: What came of the language model.
        """
        rows = compose({n: one["metrics"] for n, one in nine.items()}, "claim")
        letters = {x: np.array([row.letters[x] for row in rows]) for x in LETTERS}
        primary, other = (self._slope(letters, rows, nine, *which) for which in SLOPES)
        others = [other, *self._related(rows, nine), *self._table(rows, nine)]
        gates = self._gates(rows, nine, letters)
        figures = [*others, *falls(loop), *rounds(loop)]
        return Outcome(self.check(primary), gates, figures)

    def _gates(
        self, rows: list[Composed], nine: Nine, letters: dict[str, Doubles]
    ) -> list[Gate]:
        """Whether anything is learned, and whether goals are within reach."""

        def gained(kind: str, level: str) -> Doubles:
            """How much nearer than doing nothing each such dataset ends, m."""
            means = [
                self._means(nine[row.name][kind]) for row in rows if level in row.name
            ]
            return np.array([float(mean["still"] + mean["score"]) for mean in means])

        near = "doing nothing - policies, ID, best quality"
        far = "doing nothing - policies, OOD, all sectors"
        room = of_replicates(far, gained("ood", "_all"), "m", DATASETS)
        reached = np.array([self._means(nine[r.name]["ood"])["within"] for r in rows])
        hits = of_replicates("goals reached, OOD", reached, "%", DATASETS)
        halves = []  # the OOD score of even goals less that of odd ones
        for row in rows:
            table = -np.array(nine[row.name]["ood"]["distance"])
            halves.append(table[:, ::2].mean() - table[:, 1::2].mean())
        none = self._of("even goals less odd ones", np.array(halves), letters, *D_OOD)
        return [
            competence(of_replicates(near, gained("id", "top_"), "m", DATASETS)),
            headroom(room),
            within(hits, high=CEILING),
            noise(none, self.params.smallest),
        ]

    def _slope(
        self,
        letters: dict[str, Doubles],
        rows: list[Composed],
        nine: Nine,
        letter: str,
        kind: str,
        held: str,
    ) -> Figure:
        """How a test's score changes with a letter while the other is held."""
        score = np.array([self._means(nine[row.name][kind])["score"] for row in rows])
        return self._of(f"the {TESTS[kind]} score", score, letters, letter, held)

    def _of(
        self,
        what: str,
        values: Doubles,
        letters: dict[str, Doubles],
        letter: str,
        held: str,
    ) -> Figure:
        """How anything of the datasets changes with a letter, the other held."""
        p, causes = self.params, (letters[letter], letters[held])
        slope = partial_slope(values, *causes, draws=p.resamples, seed=p.draw)
        name = f"slope of {what} on {letter}, {held} held"
        return Figure(name, *slope, "m a mean z", DATASETS, len(values))

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
            figures += [
                exact(name, one.rho, RANK, "of these datasets"),
                exact(f"{name}: p", one.p, "", "of the permutations"),
            ]
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
                    name = f"{row.name}: {letter}"
                    figures.append(exact(name, value, "mean z", "of the dataset"))
            for kind, word in TESTS.items():
                measured = self._means(nine[row.name][kind])
                measures = {
                    "distance": (-measured["score"], "m"),
                    "distance of doing nothing": (measured["still"], "m"),
                    f"within {self.params.reached:g} m": (measured["within"], "%"),
                    "return": (measured["return"], "return"),
                }
                figures += [
                    exact(f"{row.name}, {word}: {what}", *of, "mean of its seeds")
                    for what, of in measures.items()
                ]
        return figures


def falls(loop: dict[str, Any]) -> list[Figure]:
    """How the diversity of the loop falls, seed by seed."""
    hard, wide = (np.array(loop[name]["diversity"]) for name in ("quality", "cells"))
    word = "text: diversity at the"
    fell, less = hard[:, 0] - hard[:, -1], wide[:, -1] - hard[:, -1]
    return [
        of_replicates(f"{word} start over that at the end", fell, "mean z", MODELS),
        of_replicates(f"{word} end, by cells over not", less, "mean z", MODELS),
    ]


def rounds(loop: dict[str, Any]) -> list[Figure]:
    """Of every filter and round, over seeds."""
    figures = []
    for name, measured in loop.items():
        for key, unit in (
            ("diversity", "mean z"),
            ("accuracy", "share of right lines"),
        ):
            figures += [
                of_replicates(f"text by {name}, round {k}", values, unit, MODELS)
                for k, values in enumerate(np.transpose(measured[key]))
            ]
        figures += [
            of_replicates(f"text by {name}, round {k}: kept", values, "lines", MODELS)
            for k, values in enumerate(np.transpose(measured["kept"]), 1)
        ]
    return figures
