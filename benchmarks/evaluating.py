"""Evaluating 100 episodes of hopper: ours beside one environment at a time.

    python -m benchmarks.evaluating [--episodes 100] [--rounds 3]

`make benchmarks` runs it too. All play the same starts with the same 2x256 policy. It
stands until it falls (about 150 steps, feet on the ground: the dear part of the
physics). The peers are Gymnasium's own loop over ``gymnasium.make("Hopper-v5")``, with
onnxruntime or with torch eager at batch 1, one thread. Ways take turns in rounds and
the best round counts. Printed as JSON: wall and CPU seconds (on a busy machine only the
latter mean something), microseconds a step, ratios, and the floor: ``mj_step`` and
nothing else.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch

from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.params import build
from tasks.evaluate.returns import play
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.worlds import World

Result = tuple[float, int]  # mean return, steps
HOPPER = {
    "_target_": "tasks.worlds.hopper.Hopper",
    "name": "hopper",
    "env_id": "Hopper-v5",
    "max_steps": 1000,
    "ref_min": 0.0,
    "ref_max": 1.0,
    "measured": "not needed here",
}


def actor(world: World) -> Feedforward:
    """A policy of 2x256 with a small last layer, so that the hopper stands a while."""
    net = MLP([0], "actor", (11, 256, 256, 3))
    with torch.no_grad():
        net.layers[-1].weight.mul_(0.1)
        net.layers[-1].bias.zero_()
    low, high = world.action_space.low, world.action_space.high
    bounds = torch.from_numpy(low), torch.from_numpy(high)
    return Feedforward(
        list(net.layers), "tanh", torch.zeros(11), torch.ones(11), *bounds
    )


def one_at_a_time(act: Callable[[Any], Any], episodes: int) -> Result:
    """Play episodes in Gymnasium's own loop.

    Args:
        act: The action for one observation.
        episodes: How many; the seed of each is its number.
    """
    env = gymnasium.make("Hopper-v5")
    returns, steps = [], 0
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        total, ended = 0.0, False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            total, steps = total + float(reward), steps + 1
            ended = terminated or truncated
        returns.append(total)
    return float(np.mean(returns)), steps


def ours(world: World, policy: OnnxPolicy, episodes: int, threads: int) -> Result:
    """Play the same episodes in the evaluator's loop, making the batch included."""
    batch = world.make(episodes)
    batch.threads = threads
    table = play(batch, policy, 0, np.arange(episodes), lambda *_: None)
    batch.close()
    return float(table.returns.mean()), int(table.length.sum())


def floor(world: World, policy: OnnxPolicy, episodes: int) -> tuple[float, int]:
    """Measure ``mj_step`` alone on the states and actions of the same episodes.

    Returns:
        CPU seconds, and the number of steps.
    """
    batch: Any = world.make(episodes)
    spent, steps = 0, 0  # CPU nanoseconds
    observation, _ = batch.reset(seed=list(range(episodes)))
    actions = np.zeros((episodes, 3), np.float32)
    real, clock = mujoco.mj_step, time.process_time_ns

    def timed(model: Any, data: Any, nstep: int) -> None:
        nonlocal spent, steps
        begin = clock()
        real(model, data, nstep=nstep)
        spent, steps = spent + clock() - begin, steps + 1

    mujoco.mj_step = timed
    try:
        while (live := np.flatnonzero(~batch.ended)).size:
            actions[live] = policy.act(observation[live])
            observation, *_ = batch.step(actions)
    finally:
        mujoco.mj_step = real
    return spent / 1e9, steps


def measure(episodes: int = 100, rounds: int = 3) -> dict[str, Any]:
    """Measure all ways in turns; the best round of each counts.

    Args:
        episodes: Played by each way in each round.
        rounds: How many.
    """
    torch.set_num_threads(1)
    world = build(HOPPER, "world.hopper")
    net = actor(world)
    origin = dict.fromkeys(
        ("learner", "dataset", "dataset_sha256", "weights_sha256", "statistics_sha256"),
        "benchmark",
    )
    about = {"seeds": [0], "world": "hopper", "env_id": "Hopper-v5", "step_seconds": 1}
    about |= {"made_by": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed-0.onnx"
        contract = contract_of(net, 0, {**origin, **about}, "exact")
        write_onnx(path, build_model(net, 0), contract)
        policy = OnnxPolicy.open(path)
    run = policy.session.run

    def onnx_act(observation: Any) -> Any:
        return run(["action"], {"observation": observation[None].astype(np.float32)})[
            0
        ][0]

    eager = torch.nn.Sequential(
        torch.nn.Linear(11, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, 3),
        torch.nn.Tanh(),
    )
    with torch.no_grad():
        for mine, theirs in zip(net.layers, eager[::2], strict=True):
            theirs.weight.copy_(mine.weight[0].T)
            theirs.bias.copy_(mine.bias[0, 0])

    @torch.no_grad()
    def torch_act(observation: Any) -> Any:
        rows = torch.as_tensor(observation, dtype=torch.float32).unsqueeze(0)
        return eager(rows).squeeze(0).numpy()

    n = episodes
    ways: dict[str, Callable[[], Result]] = {
        "ours_1_thread": lambda: ours(world, policy, n, 1),
        "ours_2_threads": lambda: ours(world, policy, n, 2),
        "one_at_a_time_onnxruntime": lambda: one_at_a_time(onnx_act, n),
        "one_at_a_time_torch": lambda: one_at_a_time(torch_act, n),
    }
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Result] = {}
    bare = []
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter(), time.process_time()
            results[name] = way()
            wall[name].append(time.perf_counter() - begin[0])
            cpu[name].append(time.process_time() - begin[1])
        bare.append(floor(world, policy, n))
    best = {name: (min(wall[name]), min(cpu[name])) for name in ways}
    table = {
        name: {
            "wall_seconds": round(best[name][0], 2),
            "cpu_seconds": round(best[name][1], 2),
            "cpu_us_per_step": round(best[name][1] / results[name][1] * 1e6, 1),
            "return": round(results[name][0], 2),
            "steps": results[name][1],
        }
        for name in ways
    }
    ratios = {
        f"{peer} / {mine}": {
            "wall": round(best[peer][0] / best[mine][0], 2),
            "cpu": round(best[peer][1] / best[mine][1], 2),
        }
        for peer in ("one_at_a_time_onnxruntime", "one_at_a_time_torch")
        for mine in ("ours_1_thread", "ours_2_threads")
    }
    physics = min(spent for spent, _ in bare)
    return {
        "episodes": n,
        "ways": table,
        "floor_us_per_step": round(physics / bare[0][1] * 1e6, 1),
        "physics_share_of_ours_1_thread": round(physics / best["ours_1_thread"][1], 2),
        "ratios": ratios,
    }


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.episodes, options.rounds), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
