"""Quality tells where the data is, diversity where it is not: nine swimmer datasets.

Of Havrilla et al. 2024 (arXiv 2412.02980), a survey of tendencies. The bed, ``_qdc``,
makes nine datasets of equal size of the one archive beside the dataset ``archive``,
three levels of quality by three of diversity; a quarter of the plane is held out of
all. On each, goal-conditioned behaviour cloning learns to swim to a place. It is tested
with goals in the dataset's own sectors (ID) and in the quarter held out (OOD): minus
the distance from the goal at the end, m, mean over seeds and goals. Quality Q and
diversity D are what the report says of the nine: mean z-scores of its figures.

Seen if, over the nine and by Spearman's correlation, Q goes with ID, and more than with
OOD, and D goes with OOD, and more than with ID. Intervals are of resamples of the nine,
and of each one's seeds and goals; permutation p-values are figures.

And of a language model that learns on from those of its own lines that are right: the
diversity of what it writes falls over the rounds, on every seed, and by the last one
less where one best line a cell is kept (``_qdc/rounds.py``). D is of the corpora of a
seed, side by side.

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
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.params import Range, pick
from tasks.beds.qdc_metrics.arms import Bed, Cloned
from tasks.beds.qdc_metrics.design import Design
from tasks.beds.qdc_metrics.rounds import Rounds, run
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Results, exact, ranks_agree, worst
from tasks.measure.qdc_metrics import QdcParams
from tasks.statistics.composition import Composed, compose, correlations
from tasks.statistics.intervals import percentiles

Doubles = NDArray[np.float64]
Found = dict[str, dict[str, Any]]

LETTERS = ("quality", "diversity")
TESTS = {"id": "ID", "ood": "OOD"}
RANK = "rank correlation"
FEWEST = 3  # different datasets in a resample, or ranks say nothing
# what must be seen: a letter, the test it goes with, the one it goes with less
WANTED = (("quality", "id", "ood"), ("diversity", "ood", "id"))


@dataclass(frozen=True)
class QdcClaimParams(ClaimParams):
    """See params/claims/qdc_metrics.yaml for units and ranges."""

    archive: str
    sectors: Annotated[int, Range(2)]
    held_out: Annotated[tuple[int, ...], Range(0)]
    one: Annotated[tuple[int, ...], Range(0)]
    half: Annotated[tuple[int, ...], Range(0)]
    every: Annotated[tuple[int, ...], Range(0)]
    plays: Annotated[int, Range(2, 10_000)]
    goal_plays: Annotated[int, Range(1)]
    noise: Annotated[float, Range(0)]
    neighbours: Annotated[int, Range(1)]
    episodes: Annotated[int, Range(10)]
    goals: Annotated[int, Range(1)]
    draw: Annotated[int, Range(0)]
    seeds: Annotated[tuple[int, ...], Range(0)]
    updates: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    hidden: Annotated[tuple[int, ...], Range(1)]
    rate: Annotated[float, Range(0, 1, open=True)]
    text_seeds: Annotated[tuple[int, ...], Range(0)]
    text_rounds: Annotated[int, Range(1)]
    text_lines: Annotated[int, Range(1)]
    text_samples: Annotated[int, Range(10)]
    text_steps: Annotated[int, Range(1)]
    text_more_steps: Annotated[int, Range(1)]
    text_batch: Annotated[int, Range(1)]
    text_rate: Annotated[float, Range(0, 1, open=True)]
    text_width: Annotated[int, Range(4)]
    reached: Annotated[float, Range(0, open=True)]
    resamples: Annotated[int, Range(100)]
    processes: Annotated[int, Range(1, 64)]

    def design(self) -> Design:
        """Of the nine datasets."""
        same = set(Design.__dataclass_fields__) - {"diversities"}
        levels = {"one": self.one, "half": self.half, "all": self.every}
        return Design(
            diversities=levels, **{name: getattr(self, name) for name in same}
        )

    def cloned(self) -> Cloned:
        """Of who learns."""
        return Cloned(**{n: getattr(self, n) for n in Cloned.__dataclass_fields__})

    def loop(self) -> Rounds:
        """Of the language model."""
        names = Rounds.__dataclass_fields__
        return Rounds(**{name: getattr(self, f"text_{name}") for name in names})


class QdcClaim(Claim):
    """See the module."""

    Parameters = QdcClaimParams
    params: QdcClaimParams

    def outcome(self, results: Results) -> Outcome:
        """Make, learn and test the nine; see :meth:`Claim.outcome`."""
        p = self.params
        block = pick(results.params, "measure", "qdc_metrics")
        metrics = QdcParams.parse(block, "measure.qdc_metrics")
        bed = Bed(
            results.root / "datasets" / f"{p.archive}-v0",
            p.design(),
            p.cloned(),
            metrics,
            p.processes,
        )
        confidence = pick(results.params, "evaluate", "returns")["confidence"]
        return self.judged(bed.run(), run(p.loop(), metrics), confidence)

    def judged(self, found: Found, loop: dict[str, Any], confidence: float) -> Outcome:
        """What must be seen, and what else there is.

        Args:
            found: Of :meth:`Bed.run`.
            loop: Of :func:`run`.
            confidence: Of intervals, e.g. 0.95.
        """
        rows = compose({n: one["metrics"] for n, one in found.items()}, "claim")
        letters = {x: np.array([row.letters[x] for row in rows]) for x in LETTERS}
        far = {
            kind: -np.array([found[row.name][kind]["distance"] for row in rows])
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
            [*self._related(rows, found), *self._table(rows, found), *rounds(loop)],
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

    def _related(self, rows: list[Composed], found: Found) -> list[Figure]:
        """Correlations of all three letters with n and p; also with what is not judged.

        That is how often a goal was reached, and the return, of which Q is.
        """
        scores = {
            f"{word}{what}": {
                row.name: float(self._told(found[row.name][kind])[name]) for row in rows
            }
            for name, what in (
                ("score", ""),
                ("within", ", goals reached"),
                ("return", ", return"),
            )
            for kind, word in TESTS.items()
        }
        made = []
        for one in correlations(rows, scores, self.params.draw):
            name = f"{one.letter} with {one.score}, {one.n} datasets"
            if one.rho is None or one.p is None:
                continue
            made += [exact(name, one.rho, RANK), exact(f"{name}: p", one.p, "")]
        return made

    def _told(self, test: dict[str, Any]) -> dict[str, Any]:
        """Means of what a test found: see the figures."""
        values = {name: np.array(value) for name, value in test.items()}
        return {
            "score": -values["distance"].mean(),
            "within": 100 * (values["distance"] <= self.params.reached).mean(),
            "return": values["return"].mean(),
            "still": values["still"].mean(),
        }

    def _table(self, rows: list[Composed], found: Found) -> list[Figure]:
        """A block a dataset."""
        made = []
        for row in rows:
            for letter, value in row.letters.items():
                if value is not None:
                    made.append(exact(f"{row.name}: {letter}", value, "mean z"))
            for kind, word in TESTS.items():
                told = self._told(found[row.name][kind])
                said = f"{row.name}, {word}"
                near = f"{said}: within {self.params.reached:g} m"
                made += [
                    exact(f"{said}: distance", -told["score"], "m"),
                    exact(f"{said}: distance of doing nothing", told["still"], "m"),
                    exact(near, told["within"], "%"),
                    exact(f"{said}: return", told["return"], "return"),
                ]
        return made


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
    made = []
    for name, told in loop.items():
        means = (np.mean(told[key], 0) for key in ("diversity", "accuracy"))
        for k, (spread, right) in enumerate(zip(*means, strict=True)):
            said = f"text by {name}, round {k}"
            made += [
                exact(f"{said}: diversity", spread, "mean z"),
                exact(f"{said}: right lines", 100 * right, "%"),
            ]
        made += [
            exact(f"text by {name}, round {k}: lines kept", value, "lines")
            for k, value in enumerate(np.mean(told["kept"], 0), 1)
        ]
    return made


def _agree(letter: Doubles, table: Doubles) -> float:
    """Rank correlation of a letter (N,) with the means of a test (N, S, G)."""
    return ranks_agree(letter.tolist(), table.mean((1, 2)).tolist())


def _figure(name: str, value: float, draws: Doubles, confidence: float) -> Figure:
    """A rank correlation with the middle part of its resamples."""
    low, high = percentiles(draws, confidence)
    return Figure(name, float(value), low, high, RANK)
