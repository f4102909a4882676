"""What the page shows of regret: of tables, whose optimum is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.artifacts.formats import Regret
from tasks.artifacts.variants import PARENT
from tasks.report.engine.collect import Data
from tasks.statistics.replicates import mean_of

Ends = tuple[float, float, float]  # low, mean, high


@dataclass(frozen=True)
class Row:
    """One learner of tables.

    Attributes:
        learner: Its name.
        steps: Of each trial.
        learning: Regret summed over its steps: low, mean, high over trials.
        worst: The largest of any trial.
        file: Of the file that is left, as evaluate computed it.
    """

    learner: str
    steps: int
    learning: Ends
    worst: float
    file: Regret


@dataclass(frozen=True)
class Table:
    """Learners of tables in one world, in the order of the study."""

    dataset: str
    rows: tuple[Row, ...]


def regrets(datasets: Sequence[Data]) -> list[Table]:
    """One a dataset that has any."""
    tables = []
    for data in datasets:
        rows = tuple(
            _row(data, learner, result.metrics["regret"])
            for (learner, variant), result in data.results.items()
            if variant == PARENT and "regret" in result.metrics
        )
        if rows:
            tables.append(Table(data.name, rows))
    return tables


def _row(data: Data, learner: str, file: Regret) -> Row:
    """A learner's curves at their end, beside its file."""
    curves = data.curves[learner]
    steps = int(curves["update"].max())
    lost = curves[curves["update"] == steps]["regret"].to_numpy(float)
    low = mean = high = float(lost.mean())
    if len(lost) > 1:
        spread = mean_of(lost)
        low, high = spread.low, spread.high
    return Row(learner, steps, (low, mean, high), float(lost.max()), file)
