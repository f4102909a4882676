"""Metrics of predictors, side by side: each in its own unit, none ranked as a score."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.artifacts.measured import Whole
from tasks.compare.revision import Key, Revision


@dataclass(frozen=True)
class MetricRow:
    """A metric of a variant, by revision.

    Attributes:
        key: Dataset, learner, variant.
        metric: Its name, its unit, and which is better.
        values: One a revision; None where it has none.
    """

    key: Key
    metric: str
    values: tuple[Whole | None, ...]


def metrics(revisions: Sequence[Revision]) -> list[MetricRow]:
    """Every metric that some revision has, in the order of the first that has it."""
    rows = []
    for name in dict.fromkeys(name for r in revisions for name in r.metrics):
        told = [revision.metrics.get(name) for revision in revisions]
        first = next(one for one in told if one)
        dataset, learner, variant, metric = name
        said = f"{metric}, {first['unit']}, {first['better']} is better"
        values = tuple(one["value"] if one else None for one in told)
        rows.append(MetricRow((dataset, learner, variant), said, values))
    return rows
