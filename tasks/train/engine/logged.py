"""The curves of a training, passed on to a logger: a run a policy and seed."""

from collections.abc import Sequence

import numpy as np

from tasks.loggers import Runs
from tasks.train.engine.loop import Curves


class Logged:
    """Passes on rows of curves, each once.

    A training that goes on from a checkpoint has the rows before it, and its runs are
    made anew, so that a run is whole whatever was killed.

    Args:
        runs: Where to.
        dataset: The dataset's name.
        policies: Names of the configurations in the stack, in its order.
        seeds: Of each of them.
        key: What the training is known by; another one has runs of its own.
    """

    def __init__(
        self,
        runs: Runs,
        dataset: str,
        policies: Sequence[str],
        seeds: Sequence[int],
        key: str,
    ) -> None:
        self.runs, self.passed = runs, 0
        self.names = [
            f"{dataset}-{policy}/seed-{seed}-{key[:8]}"
            for policy in policies
            for seed in seeds
        ]

    def __call__(self, curves: Curves) -> None:
        """Pass on the rows that are new; numbers that are not finite are left out."""
        for at in range(self.passed, len(curves.rows)):
            update, _, *values = curves.rows[at].tolist()
            named = zip(curves.columns[2:], values, strict=True)
            finite = {f"train/{name}": v for name, v in named if np.isfinite(v)}
            self.runs.log(self.names[at % len(self.names)], int(update), finite)
        self.passed = len(curves.rows)
