"""Which learners fit which actions."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, resolve
from tasks.train import Learner


def fitting(kind: str) -> list[str]:
    """Names of the learners for ``continuous`` or ``discrete`` actions."""
    found = set()
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"tasks.train.{path.stem}")
        for thing in vars(module).values():
            own = getattr(thing, "__module__", "") == module.__name__
            if isinstance(thing, type) and own and issubclass(thing, Learner):
                found |= {path.stem} if kind in thing.actions else set()
    return sorted(found)


def check_kind(name: str, block: Mapping[str, Any], discrete: bool, data: str) -> None:
    """Refuse a learner that cannot learn a dataset's actions.

    Args:
        name: Of the learner.
        block: Its block of params.yaml.
        discrete: Whether the actions are.
        data: The dataset's name, for the error.

    Raises:
        RefusedError: It names the learners that can.
    """
    kind = "discrete" if discrete else "continuous"
    learner = resolve(str(block.get("_target_")), f"train.{name}")
    if kind not in learner.actions:
        raise RefusedError(
            PARAMS,
            f"train.{name}",
            f"a learner of {' and '.join(learner.actions)} actions",
            f"one that can learn the {kind} actions of {data}: "
            + ", ".join(fitting(kind)),
            "change study.learners or study.datasets",
        )
