"""The trials of a search, which Optuna proposes and keeps in a file of SQLite.

Optuna's sampler is TPE. It is made anew for each trial, seeded by the number of those
that ended, so that a search that was killed makes the same proposals.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.experiments.space import Dimension, Interval
from tasks.artifacts.errors import RefusedError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FILE = "optuna.db"


class Trials:
    """What is known of a search.

    Args:
        folder: Where it is kept; made if need be.
        dimensions: Of the space.
        own: The study's own values by key, tried first; None where there are none.

    Raises:
        RefusedError: If Optuna is not installed.
    """

    def __init__(
        self,
        folder: Path,
        dimensions: Sequence[Dimension],
        own: Mapping[str, Any] | None = None,
    ) -> None:
        optuna = imported()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.samplers, self.states = optuna.samplers, optuna.trial.TrialState
        folder.mkdir(parents=True, exist_ok=True)
        self.study = optuna.create_study(
            storage=f"sqlite:///{(folder / FILE).resolve()}",
            study_name=folder.name,
            direction="maximize",
            load_if_exists=True,
        )
        kinds = optuna.distributions
        self.space = {d.key: _distribution(d, kinds) for d in dimensions}
        if own and not self.study.trials:
            self.study.enqueue_trial(dict(own))

    def done(self) -> "list[FrozenTrial]":
        """Those that ended, with a value or without."""
        return self.study.get_trials(states=(self.states.COMPLETE, self.states.PRUNED))

    def best(self) -> "FrozenTrial | None":
        """The one with the highest value, the first of equals; None without any."""
        valued = [trial for trial in self.done() if trial.value is not None]
        return max(valued, key=lambda trial: trial.value or 0.0, default=None)

    def propose(self) -> tuple[int, dict[str, Any]]:
        """The number and values of the next; one that was killed is proposed again."""
        for begun in self.study.get_trials(states=(self.states.RUNNING,)):
            if begun.params.keys() == self.space.keys():
                return begun.number, dict(begun.params)
            self.study.tell(begun.number, state=self.states.FAIL)  # not yet proposed
        self.study.sampler = self.samplers.TPESampler(seed=len(self.done()))
        asked = self.study.ask(self.space)
        return asked.number, dict(asked.params)

    def tell(self, number: int, value: float | None) -> None:
        """Keep what a trial came to; no value is worse than any."""
        # TPE ranks a trial that was stopped before it had a value below all others
        state = self.states.PRUNED if value is None else self.states.COMPLETE
        self.study.tell(number, value, state)


def imported() -> Any:
    """Optuna, a part of no set-up.

    Raises:
        RefusedError: If it is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise RefusedError(
            "search",
            "optuna",
            "not installed",
            "the extra search",
            f"run: {sys.executable} -m pip install -e '.[search]'",
        ) from None
    return optuna


def _distribution(d: Dimension, kinds: Any) -> "BaseDistribution":
    if isinstance(d, Interval):
        kind = kinds.IntDistribution if d.whole else kinds.FloatDistribution
        return kind(d.low, d.high, log=d.log)
    return kinds.CategoricalDistribution(d.values)
