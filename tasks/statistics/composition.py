"""Measured datasets side by side: z-scores, Pareto front, rank correlations.

Stage measure gives each dataset figures of three kinds, here called its letters:
quality, diversity and complexity. With x_j the figure of dataset j, a mean m and a
population deviation s over the datasets that are compared, and a sign that makes more
mean more,

    z_j = sign (x_j - m) / s,   letter_j = mean of z_j over the letter's figures

All of this is relative: with two datasets every z-score is 1 or -1. It reads the
figures as they are written (metrics.json), so that report and comparison need nothing
of the stage that measures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.statistics.intervals import Floats

LETTERS = ("quality", "diversity", "complexity")
ENOUGH = 8  # datasets, below which nothing is said of correlations
PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a letter with a score, over datasets.

    Attributes:
        letter: Quality, diversity or complexity.
        score: What it is correlated with, e.g. ``ID score``.
        rho: None where it cannot be told.
        p: Two-sided, by permutation.
        n: Datasets.
        why: Why there is no figure.
    """

    letter: str
    score: str
    rho: float | None
    p: float | None
    n: int
    why: str = ""


@dataclass(frozen=True)
class Composed:
    """One dataset among others.

    Attributes:
        name: The dataset.
        z: By letter and figure, those that all datasets have.
        letters: Mean z of each letter; None where it has no member.
        front: No other dataset is better in quality and diversity both.
    """

    name: str
    z: dict[str, dict[str, float]]
    letters: dict[str, float | None]
    front: bool


def compose(metrics: Mapping[str, Mapping[str, Any]], where: object) -> list[Composed]:
    """Put datasets side by side.

    Args:
        metrics: metrics.json by dataset, at least two.
        where: For errors.

    Raises:
        RefusedError: If they were not measured together: other worlds, other peers,
            another number of episodes or steps.
    """
    for field in ("world", "peers", "episodes", "steps", "seed", "bandwidth"):
        stated = {name: str(block[field]) for name, block in metrics.items()}
        if len(set(stated.values())) > 1:
            raise RefusedError(
                where,
                field,
                "; ".join(f"{name}: {value}" for name, value in stated.items()),
                "the same for all datasets that are compared",
                "measure them together: name all of them in study.measured",
            )
    names, first = list(metrics), next(iter(metrics.values()))
    z: dict[str, dict[str, dict[str, float]]] = {n: {} for n in names}
    for letter in LETTERS:
        for n in names:
            z[n][letter] = {}
        for figure in first[letter]:
            values = [metrics[n][letter].get(figure, {}).get("value") for n in names]
            if any(value is None for value in values):
                continue
            sign = first[letter][figure]["sign"]
            scores = sign * standard(np.array(values))
            for n, score in zip(names, scores, strict=True):
                z[n][letter][figure] = float(score)
    letters = {
        n: {
            letter: float(np.mean(list(members.values()))) if members else None
            for letter, members in z[n].items()
        }
        for n in names
    }
    pairs = [(letters[n]["quality"], letters[n]["diversity"]) for n in names]
    flags = pareto(pairs)
    return [
        Composed(n, z[n], letters[n], flag)
        for n, flag in zip(names, flags, strict=True)
    ]


def standard(values: Floats) -> Floats:
    """z-scores (population deviation); zeros where all are equal."""
    spread = values - values.mean()
    deviation = float(np.sqrt((spread**2).mean()))
    if deviation <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return np.zeros_like(spread)
    return np.asarray(spread / deviation)


def pareto(pairs: Sequence[tuple[float | None, float | None]]) -> list[bool]:
    """Whether no other pair is at least as large in both and larger in one."""
    return [
        None not in (q, d)
        and not any(
            a is not None
            and b is not None
            and a >= q  # type: ignore[operator]
            and b >= d  # type: ignore[operator]
            and (a, b) != (q, d)
            for a, b in pairs
        )
        for q, d in pairs
    ]


def ranks(values: Floats) -> Floats:
    """1 for the smallest; equal ones share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def spearman(x: Floats, y: Floats, seed: int) -> tuple[float, float]:
    """Spearman's rank correlation, and its two-sided p-value by permutation.

    Args:
        x: (n,), one number a dataset.
        y: (n,), another one.
        seed: Of the permutations; the one observed counts among them, so p > 0.
    """
    a, b = standard(ranks(x)), standard(ranks(y))
    rho = float((a * b).mean())
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.tile(b, (PERMUTATIONS, 1)), axis=1)
    others = np.abs(shuffled @ a / len(a))
    return rho, float((1 + (others >= abs(rho) - 1e-12).sum()) / (1 + PERMUTATIONS))


def correlations(
    composed: Sequence[Composed],
    scores: Mapping[str, Mapping[str, float | None]],
    seed: int,
) -> list[Correlation]:
    """Correlations over datasets, of each letter with each downstream score.

    Args:
        composed: The datasets, with their letters.
        scores: By kind (``ID score``, ``OOD score``) and dataset; None where there is
            none.
        seed: Of the permutations.
    """
    related = []
    for kind, by in scores.items():
        for letter in LETTERS:
            pairs = [
                (one.letters[letter], by.get(one.name))
                for one in composed
                if one.letters[letter] is not None and by.get(one.name) is not None
            ]
            n, why = len(pairs), ""
            if n == 0:
                why = f"no {kind}"
            elif n < ENOUGH:
                why = f"not enough datasets, {n} of {ENOUGH}"
            if why:
                related.append(Correlation(letter, kind, None, None, n, why))
                continue
            x, y = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
            related.append(Correlation(letter, kind, *spearman(x, y, seed), n))
    return related
