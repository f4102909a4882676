"""Questions to a stage of DVC, asked without DVC's locks on files."""

from collections.abc import Callable
from typing import Any

from dvc.stage import Stage


def dep_paths(stage: Stage) -> list[str]:
    """Paths of a stage's dependencies, from the project's root."""
    return [dep.def_path for dep in stage.deps]


def has_changed(stage: Stage) -> bool:
    """Whether a stage, its dependencies or its outputs are not as recorded."""
    always = stage.changed_stage() or stage.is_callback or stage.always_changed
    return bool(
        always
        or unlocked(Stage._changed_deps)(stage)
        or unlocked(Stage.changed_outs)(stage)
    )


def unlocked(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of DVC's Stage without its lock on files, which costs more than it does.

    What is written is held already (`Graph._hold`), what was read is compared later.
    """
    bare: Callable[..., Any] = method.__wrapped__  # type: ignore[attr-defined]
    return bare
