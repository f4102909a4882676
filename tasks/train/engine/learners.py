"""Which learners there are, and which kind of actions each can learn."""

import importlib
from collections.abc import Mapping
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, class_of
from tasks.code import methods
from tasks.train import Learner


def fitting(kind: str, room: str = "train") -> list[str]:
    """Names of the methods that can learn actions of a kind, in order.

    Args:
        kind: ``continuous`` or ``discrete``.
        room: Folder of ``tasks/`` whose learners are meant.
    """
    names = set()
    for name in methods(room):
        module = importlib.import_module(f"tasks.{room}.{name}")
        for member in vars(module).values():
            own = getattr(member, "__module__", "") == module.__name__
            if isinstance(member, type) and own and issubclass(member, Learner):
                names |= {name} if kind in member.actions else set()
    return sorted(names)


def check_kind(
    name: str, block: Mapping[str, Any], discrete: bool, data: str, room: str = "train"
) -> None:
    """Refuse a learner that cannot learn a dataset's actions.

    Args:
        name: Of the learner in params.yaml.
        block: Its block there.
        discrete: Whether the dataset's actions are.
        data: The dataset's name, for the error.
        room: Of the learner, ``train`` or ``learn``.

    Raises:
        RefusedError: If it cannot; the error names the learners that can.
    """
    kind = "discrete" if discrete else "continuous"
    learner = class_of(block, f"{room}.{name}")
    if kind not in learner.actions:
        raise RefusedError(
            PARAMS,
            f"{room}.{name}",
            f"a learner of {' and '.join(learner.actions)} actions",
            f"one that can learn the {kind} actions of {data}: "
            + ", ".join(fitting(kind, room)),
            "change study.learners, study.learned or study.datasets",
        )
