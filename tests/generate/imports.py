"""Options, logs and files of other formats, for the tests of imports."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gymnasium import Space

from tasks.artifacts.episodes import check_episodes
from tasks.artifacts.params import Params
from tasks.generate.imported.fitting import Brought
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.reading import read
from tasks.generate.imported.rules import apply

BLOCK = yaml.safe_load(Path("params/generate/imported.yaml").read_text("utf-8"))


def options(**changes: Any) -> Any:
    """Those of params/generate/imported.yaml, some of them changed."""
    parsed: Params = Options.parse(BLOCK | changes, "imported.logs.generate")
    return parsed


def log(steps: int = 4, seed: int = 0, **changes: Any) -> Log:
    """An episode of 3 numbers an observation and 2 an action, that ran out of time."""
    draw = np.random.default_rng(seed)
    fields: dict[str, Any] = {
        "observations": {"": draw.normal(size=(steps + 1, 3)).astype(np.float32)},
        "actions": draw.uniform(-1, 1, (steps, 2)).astype(np.float32),
        "rewards": draw.normal(size=steps),
        "terminated": False,
        "truncated": True,
        "where": f"run {seed}",
    }
    return Log(**fields | changes)


def settled(
    *logs: Log,
    space: Space[Any] | None = None,
    observed: Space[Any] | None = None,
    **changes: Any,
) -> Brought:
    """Logs by the rules, and what comes out passes the check of every dataset."""
    source = Logs("made", list(logs), observed, space)
    brought = apply(source, options(**changes), "made.h5")
    checked(brought)
    return brought


def brought_from(source: Path, **changes: Any) -> tuple[Logs, Brought]:
    """A file by its reader and the rules."""
    logs, brought = read(source, options(**changes))
    checked(brought)
    return logs, brought


def checked(brought: Brought) -> None:
    spaces = brought.observation_space, brought.action_space
    check_episodes(brought.episodes, *spaces, "made")
