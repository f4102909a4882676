"""Every number among the parameters has an upper end."""

import importlib
import math
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tasks
from tasks.artifacts.params import Params, Range


def classes(base: type[Params] = Params) -> Iterator[type[Params]]:
    """All dataclasses of parameters there are."""
    for cls in base.__subclasses__():
        yield cls
        yield from classes(cls)


def unbounded(cls: type[Params]) -> Iterator[str]:
    """Fields that may hold a number of any size."""
    for name, hint in get_type_hints(cls, include_extras=True).items():
        kind: Any = hint
        limits: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            kind, *limits_ = get_args(hint)
            limits = tuple(limits_)
        numbers = {kind, *get_args(kind)} & {int, float}
        ends = [math.isfinite(one.high) for one in limits if isinstance(one, Range)]
        if numbers and not any(ends):
            yield f"{cls.__module__}.{cls.__name__}.{name}"


def test_every_number_has_an_upper_end():
    for module in pkgutil.walk_packages(tasks.__path__, "tasks."):
        if not module.name.startswith("tasks.loggers."):  # which import extras
            importlib.import_module(module.name)
    ours = {cls for cls in classes() if cls.__module__.startswith("tasks.")}
    assert len(ours) > 60
    assert [name for cls in ours for name in unbounded(cls)] == []
