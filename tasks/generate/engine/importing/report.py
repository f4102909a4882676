"""What a source holds and what an import makes of it, in words."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from tasks.artifacts.episodes import check_episodes
from tasks.artifacts.params import load
from tasks.generate.engine.importing.sources import size_of
from tasks.generate.imported.fitting import Brought
from tasks.generate.imported.logs import Logs

WORLDS = Path("params/world")


def report(source: Path, logs: Logs, brought: Brought, world: str | None) -> str:
    """What a source holds and what was done with it, a line each.

    Args:
        source: Where it lies.
        logs: What it states.
        brought: Its episodes, by the rules.
        world: That it is for; None: none.
    """
    episodes, actions = brought.episodes, brought.action_space
    lengths = np.array([len(episode) for episode in episodes])
    returns = np.array([episode.ret for episode in episodes])
    done = sum(bool(episode.terminations[-1]) for episode in episodes)
    space, hint = brought.observation_space, ""
    if same := _worlds(logs.env_id):
        hint = f" (WORLD={same[0]} is of that environment)"
    width = int(np.prod(space.shape))
    if isinstance(actions, Discrete):
        acted = f"one of {actions.n} choices"
    else:
        low, high = actions.low.min(), actions.high.max()
        acted = f"{_numbers(actions.shape[0])}, bounds within [{low:g}, {high:g}]"
    lines = [
        f"{source}: {logs.format}, {size_of(source):,} bytes",
        f"  episodes      {len(episodes):,}, {lengths.sum():,} steps",
        f"  observations  {_numbers(width)} ({space.dtype})",
        f"  actions       {acted}",
        f"  ends          {done:,} terminated, {len(episodes) - done:,} truncated",
        f"  lengths       {_range(lengths)}",
        f"  returns       {_range(returns)}",
        f"  environment   {logs.env_id or 'none stated'}; "
        + (f"scored in {world}" if world else f"no world: estimates alone{hint}"),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_episodes(episodes, space, actions, source)
    lines += [f"  note          {text}" for text in brought.notes]
    lines += [f"  warning       {warning.message}" for warning in caught]
    return "\n".join(lines)


def _worlds(env_id: str | None) -> list[str]:
    """Worlds of params/world/ of an environment."""
    files = sorted(WORLDS.glob("*.yaml"))
    return [file.stem for file in files if load(file).get("env_id") == env_id]


def _numbers(count: int) -> str:
    return "1 number" if count == 1 else f"{count} numbers"


def _range(values: Any) -> str:
    return f"min {values.min():g}, mean {values.mean():.6g}, max {values.max():g}"
