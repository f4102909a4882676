"""The world a dataset was recorded in, built from what its world.json says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import resolve
from tasks.artifacts.recorded import FILE, maker_of, read_world
from tasks.worlds import World


def recorded_world(folder: Path) -> World:
    """Build the world of a dataset.

    Args:
        folder: Of the dataset.

    Raises:
        RefusedError: If world.json is missing or damaged, or names anything but a world
            of this project.
    """
    return build_world(read_world(folder)["world"], folder / FILE)


def read_checked(folder: Path) -> dict[str, Any]:
    """Read world.json as training needs it: nothing is built.

    Args:
        folder: Of the dataset.

    Returns:
        Its content, of which ``world`` is a block that :func:`build_world` would build
        and ``step_seconds`` the control step, above 0.

    Raises:
        RefusedError: As :func:`recorded_world`, or if there is no such control step.
    """
    content, path = read_world(folder), folder / FILE
    _parsed(content["world"], path)
    step = content.get("step_seconds")
    if not isinstance(step, int | float) or isinstance(step, bool) or step <= 0:
        mend = f"make it again with: {maker_of(folder)}"
        found = f"{step!r:.40}"
        raise RefusedError(path, "step_seconds", found, "seconds above 0", mend)
    return content


def build_world(block: Mapping[str, Any], path: Path) -> World:
    """Build the world of a block that came with data.

    Such a block must not become a way to run code: it may name classes of the room of
    worlds alone, and these know their environments.

    Args:
        block: ``world`` of a world.json.
        path: The file, for errors.

    Raises:
        RefusedError: If the block names another class, or its parameters are refused.
    """
    cls, params = _parsed(block, path)
    return cls(params).recorded_in(path.parent)


def _parsed(block: Mapping[str, Any], path: Path) -> tuple[type[World], Any]:
    """The class and the parameters of a block that came with data, both checked."""
    target = str(block.get("_target_", ""))
    own = f"tasks.worlds.{block.get('name')}."
    mend = f"make it again with: {maker_of(path.parent)}"
    try:
        cls = resolve(target, "world", package="tasks.worlds.")
        own = own if not getattr(cls, "any_name", False) else "tasks.worlds."
        if not (f"{target}.".startswith(own) and issubclass(cls, World)):
            raise RefusedError(path, "world._target_", target, f"{own}<World>", mend)
        params = cls.Parameters.parse(block, "world")
        cls.check_env_id(params.env_id, "world.env_id")
    except RefusedError as error:
        raise RefusedError(
            path, error.field, error.found, error.expected, mend
        ) from None
    return cls, params
