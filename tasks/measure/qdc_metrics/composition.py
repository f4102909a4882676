"""Datasets side by side: z-scores, aggregates, Pareto front, correlations.

A figure's z-score is over the datasets that are compared; quality, diversity and
complexity of one are the means of their members' z-scores, with the sign that makes
more mean more. All of this is relative: with two datasets every z-score is 1 or -1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.measure.qdc_metrics.figures import LETTERS, Doubles

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


def compose(told: Mapping[str, Mapping[str, Any]], where: object) -> list[Composed]:
    """Put datasets side by side.

    Args:
        told: metrics.json by dataset, at least two.
        where: For errors.

    Raises:
        RefusedError: If they were not measured together: other worlds, other peers,
            another number of episodes or steps.
    """
    for field in ("world", "peers", "episodes", "steps", "seed", "bandwidth"):
        stated = {name: str(one[field]) for name, one in told.items()}
        if len(set(stated.values())) > 1:
            raise RefusedError(
                where,
                field,
                "; ".join(f"{name}: {value}" for name, value in stated.items()),
                "the same for all datasets that are compared",
                "measure them together: name all of them in study.measured",
            )
    names, known = list(told), next(iter(told.values()))
    z: dict[str, dict[str, dict[str, float]]] = {n: {} for n in names}
    for letter in LETTERS:
        for n in names:
            z[n][letter] = {}
        for figure in known[letter]:
            values = [told[n][letter].get(figure, {}).get("value") for n in names]
            if any(value is None for value in values):
                continue
            sign = known[letter][figure]["sign"]
            for n, one in zip(names, sign * standard(np.array(values)), strict=True):
                z[n][letter][figure] = float(one)
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


def standard(values: Doubles) -> Doubles:
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


def ranks(values: Doubles) -> Doubles:
    """1 for the smallest; equal ones share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def spearman(x: Doubles, y: Doubles, seed: int) -> tuple[float, float]:
    """Rank correlation, and its two-sided p-value by permutation.

    Args:
        x: (n,).
        y: (n,).
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
    """Of each letter with each downstream score.

    Args:
        composed: See :func:`compose`.
        scores: By kind (``ID score``, ``OOD score``) and dataset; None where there is
            none.
        seed: Of the permutations.
    """
    found = []
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
                found.append(Correlation(letter, kind, None, None, n, why))
                continue
            x, y = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
            found.append(Correlation(letter, kind, *spearman(x, y, seed), n))
    return found
