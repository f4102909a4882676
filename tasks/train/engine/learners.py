"""Which learners there are, and which kind of actions each can learn."""

import importlib
from collections.abc import Mapping
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, resolve
from tasks.code import methods
from tasks.train import Learner


def fitting(kind: str) -> list[str]:
    """Names of the methods that can learn actions of a kind, in order.

    Args:
        kind: ``continuous`` or ``discrete``.
    """
    names = set()
    for name in methods("train"):
        module = importlib.import_module(f"tasks.train.{name}")
        for member in vars(module).values():
            own = getattr(member, "__module__", "") == module.__name__
            if isinstance(member, type) and own and issubclass(member, Learner):
                names |= {name} if kind in member.actions else set()
    return sorted(names)


def check_learner(name: str, block: Mapping[str, Any]) -> None:
    """Refuse a learner that is no method of this room, whose code no stage could find.

    Args:
        name: Of the learner in params.yaml.
        block: Its block there.

    Raises:
        RefusedError: If its class is not one of the file or folder of its name.
    """
    target = str(block.get("_target_", ""))
    own = name in methods("train") and target.startswith(f"tasks.train.{name}.")
    if own and issubclass(resolve(target, f"train.{name}"), Learner):
        return
    raise RefusedError(
        PARAMS,
        f"train.{name}",
        f"{name}, of the class {target or 'none'}",
        f"the name of a learner, tasks/train/{name}.py, and its class",
        f"there are {', '.join(methods('train'))}",
    )


def check_kind(name: str, block: Mapping[str, Any], discrete: bool, data: str) -> None:
    """Refuse a learner that cannot learn a dataset's actions.

    Args:
        name: Of the learner in params.yaml.
        block: Its block there.
        discrete: Whether the dataset's actions are.
        data: The dataset's name, for the error.

    Raises:
        RefusedError: If it cannot; the error names the learners that can.
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
