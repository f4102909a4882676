"""The log of a search: what each iteration added and how the networks learned."""

from tasks.generate.cores.quality_diversity import OPERATORS


class Log:
    """One row an iteration.

    Columns: ``iteration``, ``evaluations`` so far, ``qd_score``, ``coverage``,
    ``best``; ``added_<operator>``, how many of its children entered the archive; mean
    losses of the iteration, NaN where nothing was trained.
    """

    columns = (
        "iteration",
        "evaluations",
        "qd_score",
        "coverage",
        "best",
        *(f"added_{name}" for name in OPERATORS),
        "critic_loss",
        "actor_loss",
    )

    def __init__(self) -> None:
        self.rows: list[list[float]] = []

    def csv(self) -> str:
        """The rows as CSV with a head, nine digits a number."""
        lines = [",".join(f"{value:.9g}" for value in row) for row in self.rows]
        return "\n".join([",".join(self.columns), *lines]) + "\n"

    def total(self, column: str) -> float:
        """Sum of one column over all iterations."""
        at = self.columns.index(column)
        return float(sum(row[at] for row in self.rows))
