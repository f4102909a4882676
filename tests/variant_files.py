"""A study in a folder: params.yaml, a dataset's world, ONNX files of tiny policies."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tasks.artifacts.onnx_policy import build_model, contract_of, write_onnx
from tasks.artifacts.params import build
from tasks.artifacts.sealed import write_sealed
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.nets.policy import Policy
from tasks.worlds import World

ROOT = Path(__file__).parents[1]
DATASET, LEARNER = "swings", "bc"
WORLDS = {
    "pendulum": {
        "_target_": "tasks.worlds.pendulum.Pendulum",
        "name": "pendulum",
        "env_id": "Pendulum-v1",
        "max_steps": 200,
        "ref_min": -1200.0,
        "ref_max": -150.0,
        "measured": "for tests",
    },
    "hopper": {
        "_target_": "tasks.worlds.hopper.Hopper",
        "name": "hopper",
        "env_id": "Hopper-v5",
        "max_steps": 60,
        "ref_min": 0.0,
        "ref_max": 100.0,
        "measured": "for tests",
    },
}
RETURNS = {"episodes": 6, "resamples": 200}
LATENCY = {"batches": [1, 4], "repeats": 40, "rounds": 4, "warm_up": 2}


def world(name: str, **changes: Any) -> World:
    """A world with a block of its own, not that of params/."""
    return build(WORLDS[name] | changes, f"world.{name}")


def method(stage: str, name: str, **changes: Any) -> dict[str, Any]:
    """A method's block as params/ has it, with changes."""
    text = (ROOT / f"params/{stage}/{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text) | changes


def policy(
    world: World, seeds: int, gains: Any, head: str = "tanh", noise: float = 0.0
) -> Feedforward:
    """tanh(gains @ observation), each seed with its own small deviation.

    Args:
        world: Gives widths and bounds.
        seeds: S.
        gains: (A, O).
        head: Of the policy.
        noise: Standard deviation of what is added to the gains of each seed.
    """
    gains = np.atleast_2d(np.asarray(gains, np.float64))
    width = int(np.prod(world.observation_space.shape or (1,)))
    outputs = len(gains) * (2 if head == "gaussian" else 1)
    layer = Linear(seeds, width, outputs)
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for k in range(seeds):
            own = gains.T + noise * draw.standard_normal(gains.T.shape)
            layer.weight[k, :, : len(gains)] = torch.from_numpy(own)
    bounds = (
        torch.from_numpy(world.action_space.low),
        torch.from_numpy(world.action_space.high),
    )
    return Feedforward([layer], head, torch.zeros(width), torch.ones(width), *bounds)


def write(
    folder: Path, made: Policy, world: World, variant: str, /, **changes: Any
) -> list[Path]:
    """ONNX files of every seed of a policy; ``changes`` go into their contracts."""
    folder.mkdir(parents=True, exist_ok=True)
    origin = {
        "seeds": list(range(made.seeds)),
        "learner": LEARNER,
        "dataset": DATASET,
        "dataset_sha256": "0",
        "world": world.params.name,
        "env_id": world.params.env_id,
        "step_seconds": world.step_seconds,
        "variant": variant,
        "made_by": [],
        "weights_sha256": "0",
        "statistics_sha256": "0",
    }
    paths = []
    for k in range(made.seeds):
        contract = contract_of(made, k, origin, "exact") | changes
        paths.append(folder / f"seed-{k}.onnx")
        write_onnx(paths[-1], build_model(made, k), contract)
    return paths


def study(root: Path, name: str = "pendulum") -> World:
    """params.yaml and the dataset's world, in ``root``."""
    params = {
        "study": {
            "seeds": [0, 1],
            "datasets": [DATASET],
            "learners": [LEARNER],
            "policies": [LEARNER],
            "variants": ["float32", "int8_static"],
        },
        "evaluate": {"returns": method("evaluate", "returns", **RETURNS)},
        "profile": {"latency": method("profile", "latency", **LATENCY)},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    card = root / "data/datasets" / f"{DATASET}-v0" / "world.json"
    card.parent.mkdir(parents=True)
    write_sealed(card, {"schema": 2, "world": WORLDS[name]})
    return world(name)


def onnx_folder(root: Path, variant: str) -> Path:
    """Where a variant's files lie."""
    return root / "data/onnx" / DATASET / LEARNER / variant
