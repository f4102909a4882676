"""Does an ONNX policy fit a world?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.worlds import World


def check_fits(path: Path, contract: Mapping[str, Any], world: World) -> None:
    """Refuse a policy made for another world.

    Args:
        path: The file, for errors.
        contract: What it says of itself.
        world: Where it shall act.

    Raises:
        RefusedError: If a width, bound, name, version or the control step differs, or
            an input is none that an evaluator gives.
    """
    action = contract["outputs"]["action"]
    box = world.action_space
    observations = world.observation_space.shape or ()
    stated: list[tuple[str, Any, Any]] = [
        ("world", contract["world"], world.params.name),
        ("env_id", contract["env_id"], world.params.env_id),
        (
            "inputs.observation.shape",
            contract["inputs"]["observation"]["shape"][1:],
            [int(np.prod(observations))],
        ),
        ("outputs.action.shape", action["shape"][1:], list(box.shape)),
        ("outputs.action.low", action["low"], box.low.tolist()),
        ("outputs.action.high", action["high"], box.high.tolist()),
        ("step_seconds", contract["step_seconds"], world.step_seconds),
    ]
    width = int(np.prod(box.shape))
    given = {"noise": width, "reward": 1, "legal": width}
    for name, entry in contract["inputs"].items():
        if name != "observation":
            wide = [given[name]] if name in given else "one of " + ", ".join(given)
            stated.append((f"inputs.{name}.shape", entry["shape"][1:], wide))
    for field, found, expected in stated:
        if not _same(found, expected):
            raise RefusedError(
                path,
                field,
                found,
                expected,
                "export a policy that was trained in this world",
            )


def _same(found: Any, expected: Any) -> bool:
    """Equal; numbers to float32's precision."""
    if isinstance(expected, str | dict) or np.shape(found) != np.shape(expected):
        return bool(found == expected)
    return bool(np.allclose(found, expected, rtol=1e-6, atol=1e-6))
