"""What a source holds and what an import makes of it, in words."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from tasks.artifacts.episodes import check_episodes
from tasks.generate.engine.importing.sources import size_of
from tasks.generate.imported.fitting import Brought
from tasks.generate.imported.logs import Logs


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
    space = brought.observation_space
    width = int(np.prod(space.shape))
    if isinstance(actions, Discrete):
        acted = f"one of {actions.n} choices"
    else:
        low, high = actions.low.min(), actions.high.max()
        acted = f"{actions.shape[0]} numbers, bounds within [{low:g}, {high:g}]"
    lines = [
        f"{source}: {logs.format}, {size_of(source):,} bytes",
        f"  episodes      {len(episodes):,}, {lengths.sum():,} steps",
        f"  observations  {width} numbers ({space.dtype})",
        f"  actions       {acted}",
        f"  ends          {done:,} terminated, {len(episodes) - done:,} truncated",
        f"  lengths       {_range(lengths)}",
        f"  returns       {_range(returns)}",
        f"  environment   {logs.env_id or 'none stated'}; "
        + (f"scored in {world}" if world else "no world: estimates alone"),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_episodes(episodes, space, actions, source)
    lines += [f"  note          {text}" for text in brought.notes]
    lines += [f"  warning       {warning.message}" for warning in caught]
    return "\n".join(lines)


def _range(values: Any) -> str:
    return f"min {values.min():g}, mean {values.mean():.6g}, max {values.max():g}"
