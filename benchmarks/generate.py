"""What recording, policy and writing add to bare stepping.

    python -m benchmarks.generate [--policy medium]

`make benchmarks` runs it too. It makes the same Hopper episodes several ways and
prints JSON: CPU seconds (one thread each, so that neighbours do not count) of bare
stepping of the same batch (actions replayed), of ``tasks.generate``, of writing, and of
Gymnasium's own ``env.step``, one environment at a time on the same actions. The policy
is an untrained 2x256 network unless ``--policy`` names one of data/behaviors.
"""

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.params import build
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.seeding import generator
from tasks.generate.engine.recording import Plan, collect
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.worlds import World
from tasks.worlds.engine.behaviors import BEHAVIORS, Behavior, Network, open_behavior


def untrained(world: World, hidden: int = 256) -> Behavior:
    """A gaussian policy of two hidden layers that was never trained."""
    (width,), (actions,) = world.observation_space.shape or (), world.action_space.shape
    sizes = [width, hidden, hidden, 2 * actions]
    layers = [Linear(1, a, b) for a, b in itertools.pairwise(sizes)]
    for number, layer in enumerate(layers):
        layer.initialise([generator(0, f"benchmark{number}")])
    low, high = (
        torch.from_numpy(x) for x in (world.action_space.low, world.action_space.high)
    )
    policy = Feedforward(
        layers, "gaussian", torch.zeros(width), torch.ones(width), low, high
    )
    origin = dict.fromkeys(
        ("learner", "dataset", "dataset_sha256", "weights_sha256", "statistics_sha256"),
        "",
    )
    origin |= {
        "seeds": [0],
        "made_by": [],
        "world": "hopper",
        "env_id": "Hopper-v5",
        "step_seconds": 0.008,
    }
    contract = contract_of(policy, 0, origin, "exact")
    model = build_model(policy, 0).SerializeToString()
    return Network(
        "untrained", world.action_space, 1.0, OnnxPolicy(model, contract, "exact")
    )


def bare(world: World, episodes: list[Episode], in_flight: int) -> float:
    """Seconds to step the same batch through the same actions, nothing else."""
    batch, spent = world.make(in_flight), 0.0
    for first in range(0, len(episodes), in_flight):
        group = episodes[first : first + in_flight]
        limit = max(len(e) for e in group)
        actions = np.zeros((limit, in_flight, *world.action_space.shape), np.float32)
        for slot, episode in enumerate(group):
            actions[: len(episode), slot] = episode.actions
        mask = np.arange(in_flight) < len(group)
        seeds = [e.seed for e in group] + [0] * (in_flight - len(group))
        begun = time.process_time()
        batch.reset(seed=seeds, options={"reset_mask": mask})
        for action in actions:
            batch.step(action)
        spent += time.process_time() - begun
    batch.close()
    return spent


def one_at_a_time(world: World, episodes: list[Episode]) -> float:
    """Seconds of Gymnasium's own loop over the same episodes and actions."""
    env = gymnasium.make(world.env_spec())
    begun = time.process_time()
    for episode in episodes:
        env.reset(seed=episode.seed)
        for action in episode.actions:
            env.step(action)
    return time.process_time() - begun


def measure(
    policy: str | None = None,
    steps: int = 20_000,
    in_flight: int = 16,
    rounds: int = 3,
) -> dict[str, Any]:
    """Time all ways, in turns, and keep the best round of each.

    Args:
        policy: A name under data/behaviors/hopper, or None for an untrained network.
        steps: Budget of a round; the last episode is whole.
        in_flight: Sub-environments stepped together.
        rounds: How many.
    """
    block = yaml.safe_load(Path("params/world/hopper.yaml").read_text(encoding="utf-8"))
    world: World = build(block, "world")
    actor = untrained(world)
    if policy:
        actor = open_behavior(BEHAVIORS, world, policy, 1.0)
    plan = Plan(0, 0, None, steps, in_flight)
    seconds: dict[str, list[float]] = {
        k: [] for k in ("bare", "collect", "write", "gymnasium", "load")
    }
    for _ in range(rounds):
        begun = time.process_time()
        episodes = collect(world, [(actor, plan)], lambda *_: None)
        seconds["collect"].append(time.process_time() - begun)
        seconds["bare"].append(bare(world, episodes, in_flight))
        seconds["gymnasium"].append(one_at_a_time(world, episodes))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "benchmark-v0"
            begun = time.process_time()
            write_dataset(place, place.name, episodes, world, block)
            seconds["write"].append(time.process_time() - begun)
            begun = time.process_time()
            load_transitions(place)
            seconds["load"].append(time.process_time() - begun)
    best = {name: min(values) for name, values in seconds.items()}
    total = sum(len(e) for e in episodes)
    return {
        "policy": actor.name,
        "episodes": len(episodes),
        "steps": total,
        "in_flight": in_flight,
        "seconds": {k: round(v, 3) for k, v in best.items()},
        "microseconds_a_step": {k: round(1e6 * v / total, 1) for k, v in best.items()},
        "added_share": round((best["collect"] + best["write"]) / best["bare"] - 1, 3),
        "batch_against_gymnasium": round(best["gymnasium"] / best["bare"], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", help="a file under data/behaviors/hopper")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = vars(parser.parse_args())
    print(json.dumps(measure(**options), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
