"""Measure reference returns: ``python -m tasks.worlds --world W``.

Prints, as JSON, the mean return of the random policy (uniform actions), which is a
world's ``ref_min``, and with ``--policy`` that of a behaviour policy without noise, a
candidate for ``ref_max``. Episodes are those a dataset of seed 100 would begin with,
which no dataset should use.
"""

import argparse
from pathlib import Path

import numpy as np

from tasks.artifacts.files import canonical
from tasks.artifacts.names import add_name
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.seeding import episode_generator, start_seed
from tasks.artifacts.stage import run_stage
from tasks.worlds import Actions, World
from tasks.worlds.cores import waypoints
from tasks.worlds.engine.behaviors import BEHAVIORS, RANDOM, Behavior, open_behavior
from tasks.worlds.engine.episodes import Moment, Played, play

SEED, PART = 100, 0
CONTROLLER = Path("params/generate/controller.yaml")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tasks.worlds")
    add_name(parser, "--world", required=True, help="a name under params/world")
    add_name(parser, "--policy", default=RANDOM, help="behaviour, or controller")
    parser.add_argument("--episodes", type=int, default=100)
    options = parser.parse_args()
    blocks = {p.stem: load(p) for p in Path("params/world").glob("*.yaml")}
    named: World = build(pick({"world": blocks}, "world", options.world), "world")
    world = named.real  # where scores are measured
    played = measure(world, quiet_behavior(world, options.policy), options.episodes)
    returns = played.returns
    figures = {
        "world": options.world,
        "policy": options.policy,
        "episodes": len(returns),
        "start_seeds": [start(0), start(options.episodes - 1)],
        "return": {
            "mean": float(returns.mean()),
            "std": float(returns.std()),
            "min": float(returns.min()),
            "max": float(returns.max()),
        },
        "length_mean": float(played.lengths.mean()),
    }
    print(canonical(figures), end="")


def start(number: int) -> int:
    """Start seed of an episode."""
    return start_seed(SEED, PART, number)


def quiet_behavior(world: World, policy: str) -> Behavior:
    """A behaviour without noise, by its name; ``controller`` is that of the mazes."""
    if policy != waypoints.NAME:
        return open_behavior(BEHAVIORS, world, policy, 0.0)
    block = load(CONTROLLER)
    return waypoints.Waypoints(world, block["gain"], block["damping"], 0.0)


def measure(world: World, behavior: Behavior, episodes: int) -> Played:
    """Let a behaviour play.

    Args:
        world: Where.
        behavior: Who acts.
        episodes: How many; the first ones of a dataset of :data:`SEED`.
    """
    numbers, limit = range(episodes), world.params.max_steps
    noise = np.stack(
        [behavior.draw(episode_generator(SEED, PART, n), limit) for n in numbers]
    )  # (N, T, W)

    def act(moment: Moment) -> Actions:
        now = noise[moment.episode, moment.step]
        return behavior.actions(moment.observation, now, moment.legal)

    batch = world.make(episodes)
    try:
        return play(batch, act, [start(n) for n in numbers])
    finally:
        batch.close()


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
