"""Learning in a world: SAC of the stage ``learn`` beside one file, and its stepping.

    python -m benchmarks learn [--rounds 5]

Updates x seeds a second on Pendulum, by CPU seconds of one thread, so that neighbours
hardly count; stepping, acting, the replay buffer and checkpoints included. Ways take
turns, ratios are taken within a round, and their median counts. The single file
(``single_sac.py``) has the same widths, batch and number of updates.

Stepping is what the engine's worlds take for a step of several worlds, resets and what
a checkpoint needs included, over what the same vector environment takes for the same
actions and resets alone.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import yaml

from benchmarks.single_sac import SingleSAC
from benchmarks.speed import Figure, figure
from benchmarks.tables import table
from tasks.artifacts.environment import environment
from tasks.artifacts.params import build
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.learn.engine.worlds import Worlds
from tasks.train.engine.loop import settle
from tasks.worlds import World

SEEDS, BATCH = 5, 128
FIVE = f"ours, {SEEDS} seeds"
WARM_UP, UPDATES = 100, 600
STEPPED = {"hopper": 500, "pendulum": 2_000}  # steps of each world
WORLDS = 16  # stepped together
FASTER, STEPPING = 2.0, 1.2  # budgets


def read(kind: str, name: str) -> dict[str, Any]:
    """A block of params."""
    text = Path(f"params/{kind}/{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def ours(seeds: int) -> float:
    """CPU seconds in which our SAC learns with some seeds in one stack."""
    settle()
    world: World = build(read("world", "pendulum"), "world.pendulum")
    steps = WARM_UP + UPDATES
    learner: Any = build(
        {**read("learn", "sac"), "warm_up": WARM_UP, "replay": steps},
        "learn.sac",
        spaces=spaces(world),
        seeds=tuple(range(seeds)),
        updates=steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        learn(learner, world, steps, BATCH, place=Path(folder))
        return time.process_time() - begun


def theirs() -> float:
    """CPU seconds in which the single file learns."""
    torch.use_deterministic_algorithms(mode=False)
    block = {**read("learn", "sac"), "warm_up": WARM_UP}
    sac = SingleSAC(gymnasium.make("Pendulum-v1"), block, BATCH)
    begun = time.process_time()
    sac.learn(WARM_UP + UPDATES)
    return time.process_time() - begun


def stepping(name: str) -> dict[str, float]:
    """CPU seconds of our worlds and of bare stepping, the same actions."""
    world: World = build(read("world", name), f"world.{name}")
    worlds = Worlds(world, (0,), WORLDS)
    draw = np.random.default_rng(0)
    shape = (STEPPED[name], 1, WORLDS, world.action_width)
    actions = draw.uniform(-1, 1, shape).astype(np.float32)
    begun = time.process_time()
    for action in actions:
        worlds.step(action)
    engine = time.process_time() - begun
    worlds.env.close()
    env, starts = world.make(WORLDS), list(range(WORLDS))
    executed = [worlds.executed(action[0]) for action in actions]
    begun = time.process_time()
    env.reset(seed=starts)
    for action in executed:
        _, _, terminated, truncated, _ = env.step(action)
        if (ended := terminated | truncated).any():
            env.reset(seed=starts, options={"reset_mask": ended})
    bare = time.process_time() - begun
    env.close()
    return {"engine": engine, "bare": bare}


def measure(rounds: int = 5) -> dict[str, Any]:
    """Measure all ways in turns.

    Args:
        rounds: >= 1.

    Returns:
        ``rounds``: updates x seeds a second of each way; ``stepping``: by world the
        ratios of the rounds, engine over bare; and on what it was measured.
    """
    ours(1)  # what is compiled and imported at first
    taken = []
    for _ in range(rounds):
        seconds = {
            "ours, one seed": (ours(1), 1),
            FIVE: (ours(SEEDS), SEEDS),
            "single file": (theirs(), 1),
        }
        taken.append({k: round(UPDATES * n / s, 1) for k, (s, n) in seconds.items()})
    settle()
    ratios: dict[str, list[float]] = {name: [] for name in STEPPED}
    for _ in range(rounds):
        for name, list_ in ratios.items():
            both = stepping(name)
            list_.append(round(both["engine"] / both["bare"], 3))
    cpu = environment(Path("/proc/cpuinfo").read_text(encoding="utf-8"))["cpu"]
    about = {"worlds": WORLDS, "batch": BATCH, "avx512": "avx512f" in cpu["flags"]}
    return {"rounds": taken, "stepping": ratios, **about}


def faster(learned: dict[str, Any], way: str) -> Figure:
    """How many times faster a way is than the single file, within each round."""
    return figure([row[way] / row["single file"] for row in learned["rounds"]])


def ways(learned: dict[str, Any]) -> str:
    """The table of the ways."""
    every = learned["rounds"]
    speeds = {way: figure([row[way] for row in every]) for way in every[0]}
    rows = [[way, str(speed), faster(learned, way)] for way, speed in speeds.items()]
    return table("way | updates x seeds a second | over the single file", rows)


def stepped(learned: dict[str, Any]) -> str:
    """The ratios of stepping, in words."""
    ratios = learned["stepping"].items()
    return ", ".join(f"{name} {figure(values)}" for name, values in ratios)


def budgets(learned: dict[str, Any]) -> list[tuple[str, str, float, float, bool]]:
    """As ``speed.budgets``."""
    five = faster(learned, FIVE).median
    what = f"learn sac on the pendulum, {SEEDS} seeds, one core: faster"
    rows = [(what, "single file, one core", five, FASTER, False)]
    rows += [
        (
            f"step {learned['worlds']} worlds of {name} while learning: times",
            "bare stepping of the same actions",
            figure(ratios).median,
            STEPPING,
            True,
        )
        for name, ratios in learned["stepping"].items()
    ]
    return rows
