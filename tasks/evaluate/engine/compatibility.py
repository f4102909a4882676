"""Whether an ONNX policy fits a world: what its contract says, against what is there.

A policy of another world may run without an error and be judged by returns that mean
nothing. So widths, bounds, names and the control step are compared first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

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
    observations = world.observation_space.shape or ()
    stated: list[tuple[str, Any, Any]] = [
        ("world", contract["world"], world.params.name),
        ("env_id", contract["env_id"], world.params.env_id),
        (
            "inputs.observation.shape",
            contract["inputs"]["observation"]["shape"][1:],
            [int(np.prod(observations))],
        ),
        *_action(action, world),
        ("step_seconds", contract["step_seconds"], world.step_seconds),
    ]
    width = world.action_width
    noise = contract["inputs"].get("noise", {})
    draws = max(1, sum(noise.get("shape", [])[1:]) // width)  # of n * A numbers
    widths = {"noise": draws * width, "reward": 1, "legal": width}
    acting = noise.get("acting", "zero")
    if acting not in ("zero", "normal"):
        stated.append(("inputs.noise.acting", acting, "zero or normal"))
    for name, entry in contract["inputs"].items():
        if name != "observation":
            expected = (
                [widths[name]] if name in widths else "one of " + ", ".join(widths)
            )
            stated.append((f"inputs.{name}.shape", entry["shape"][1:], expected))
    if world.masked:
        stated.append(("inputs.legal", "legal" in contract["inputs"], True))
    for field, found, expected in stated:
        if not _same(found, expected):
            raise RefusedError(
                path,
                field,
                found,
                expected,
                "export a policy that was trained in this world",
            )


def _action(action: Mapping[str, Any], world: World) -> list[tuple[str, Any, Any]]:
    """What is said of the action: field, what stands there, what the world takes."""
    where = "outputs.action"
    stated: list[tuple[str, Any, Any]] = [
        (f"{where}.dtype", action.get("dtype", "float32"), "float32"),
        (f"{where}.shape", action["shape"][1:], list(world.action_space.shape or ())),
    ]
    if isinstance(world.action_space, Discrete):
        stated[0] = (f"{where}.dtype", action.get("dtype", "float32"), "int64")
        return [*stated, (f"{where}.n", action.get("n"), world.action_width)]
    return [
        *stated,
        (f"{where}.low", action.get("low"), world.action_space.low.tolist()),
        (f"{where}.high", action.get("high"), world.action_space.high.tolist()),
    ]


def _same(found: Any, expected: Any) -> bool:
    """Equal; numbers to float32's precision."""
    if isinstance(expected, str | dict) or np.shape(found) != np.shape(expected):
        return bool(found == expected)
    return bool(np.allclose(found, expected, rtol=1e-6, atol=1e-6))
