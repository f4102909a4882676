"""Which worlds have a capability: read from their classes, so nothing is made."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS

ROOM = str(Path(__file__).parents[1])


def missing(world: str, capability: str) -> RefusedError:
    """The error that says what a world cannot do, and which worlds can."""
    return RefusedError(
        PARAMS,
        "world",
        f"{world}, which has no {capability}",
        f"one that has: {', '.join(worlds_with(capability)) or 'none'}",
        "choose another world; docs/methods.md lists capabilities",
    )


def worlds_with(capability: str) -> list[str]:
    """Names of the worlds that have a capability, sorted.

    Args:
        capability: As ``require`` takes it: of a world's class, or of its batch's.

    Returns:
        Names of methods; of pairs of worlds too where nothing else has it, by their
        class, e.g. ``pendulum.PendulumTwin``.
    """
    worlds, pairs = set(), set()
    for found in pkgutil.iter_modules([ROOM], "tasks.worlds."):
        name = found.name.rpartition(".")[2]
        for value in vars(importlib.import_module(found.name)).values():
            own = getattr(value, "__module__", "") == found.name
            if not (own and hasattr(value, "env_ids") and _has(value, capability)):
                continue
            if value.any_name:
                pairs.add(f"{name}.{value.__name__}")
            else:
                worlds.add(name)
    return sorted(worlds) or sorted(pairs)


def _has(world: Any, capability: str) -> bool:
    """Whether a world's class or its batch's has, or will give its objects, a name."""
    batch = getattr(world, "batch", object)
    return any(
        capability in vars(base) or capability in inspect.get_annotations(base)
        for base in (*world.__mro__, *batch.__mro__)
    )
