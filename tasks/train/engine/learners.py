"""Which learners there are, and which kind of actions each can learn."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.artifacts.arrays import Arrays
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, class_of
from tasks.code import methods
from tasks.train import Learner, PredictorLearner

ARRAYS = "named arrays"


def fitting(kind: str, room: str = "train") -> list[str]:
    """Names of the methods that can learn actions of a kind, in order.

    Args:
        kind: ``continuous`` or ``discrete`` actions, or ``arrays``.
        room: Folder of ``tasks/`` whose learners are meant.
    """
    names = set()
    for name in methods(room):
        module = importlib.import_module(f"tasks.{room}.{name}")
        for member in vars(module).values():
            own = getattr(member, "__module__", "") == module.__name__
            if isinstance(member, type) and own and kind in kinds(member):
                names.add(name)
    return sorted(names)


def kinds(learner: type) -> Sequence[str]:
    """What a class can learn: kinds of actions, named arrays, or nothing."""
    if issubclass(learner, Learner):
        return learner.actions
    return (ARRAYS,) if issubclass(learner, PredictorLearner) else ()


def check_reads(name: str, block: Mapping[str, Any], data: Arrays) -> None:
    """Refuse a learner that cannot learn from a dataset of named arrays.

    Args:
        name: Of the learner in params.yaml.
        block: Its block there.
        data: The dataset.

    Raises:
        RefusedError: If it learns policies, or needs an array that there is not.
    """
    learner = class_of(block, f"train.{name}")
    if ARRAYS not in kinds(learner):
        raise RefusedError(
            PARAMS,
            f"train.{name}",
            f"a learner of {' and '.join(kinds(learner))} actions",
            f"one of named arrays, as {data.dataset_id} has no actions: "
            + ", ".join(fitting(ARRAYS)),
            "change study.learners or study.datasets",
        )
    data.check_has(learner.reads, f"train.{name}")


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
    if kind not in kinds(learner):
        learns = " and ".join(kinds(learner))
        raise RefusedError(
            PARAMS,
            f"{room}.{name}",
            f"a learner of {learns}{'' if learns == ARRAYS else ' actions'}",
            f"one that can learn the {kind} actions of {data}: "
            + ", ".join(fitting(kind, room)),
            "change study.learners, study.learned or study.datasets",
        )
