"""Measure reference returns: ``python -m tasks.worlds --world W``.

Prints, as JSON, the mean return of the random policy (uniform actions), which is a
world's ``ref_min``, and with ``--policy`` that of a behaviour policy without noise, a
candidate for ``ref_max``. Start seeds and noise are those of ``tasks.generate`` with
seed 100, which no dataset should use.
"""

import argparse
from pathlib import Path

import numpy as np
import yaml

from tasks.artifacts.files import canonical
from tasks.artifacts.params import build, pick
from tasks.artifacts.stage import run_stage
from tasks.generate import BEHAVIORS
from tasks.generate.controller import Controller, Waypoints
from tasks.generate.engine.behaviors import RANDOM, Behavior, open_behavior
from tasks.generate.engine.recording import Plan, collect
from tasks.worlds import World

SEED = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tasks.worlds")
    parser.add_argument("--world", required=True, help="a name under params/world")
    parser.add_argument("--policy", default=RANDOM, help="behaviour, or controller")
    parser.add_argument("--episodes", type=int, default=100)
    given = parser.parse_args()
    blocks = {
        p.stem: yaml.safe_load(p.read_text())
        for p in Path("params/world").glob("*.yaml")
    }
    world: World = build(pick({"world": blocks}, "world", given.world), "world")
    behavior: Behavior
    if given.policy == "controller":
        block = yaml.safe_load(Path("params/generate/controller.yaml").read_text())
        p = Controller.Parameters.parse(block, "generate")
        behavior = Waypoints(world, p.gain, p.damping, 0.0)
    else:
        behavior = open_behavior(BEHAVIORS, world, given.policy, 0.0)
    plan = Plan(SEED, 0, given.episodes, None, 16)
    episodes = collect(world, [(behavior, plan)], lambda *_: None)
    returns = np.array([episode.ret for episode in episodes])
    found = {
        "world": given.world,
        "policy": given.policy,
        "episodes": len(episodes),
        "start_seeds": [plan.start_seed(0), plan.start_seed(given.episodes - 1)],
        "return": {
            "mean": float(returns.mean()),
            "std": float(returns.std()),
            "min": float(returns.min()),
            "max": float(returns.max()),
        },
        "length_mean": sum(len(episode) for episode in episodes) / len(episodes),
    }
    print(canonical(found), end="")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
