"""Agents of Stable-Baselines3 as sources, also with something changed."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load, save
from torch import Tensor

from tasks.adopt.cores.spaces import Spaces
from tasks.adopt.engine.source import read_source, seal
from tasks.adopt.engine.torch_file import tensors_of
from tasks.adopt.sb3 import TENSORS
from tasks.artifacts.npz import read_npz
from tasks.artifacts.params import build
from tasks.artifacts.params import load as load_params
from tasks.artifacts.zip_file import Zip
from tasks.nets.feedforward import Feedforward
from tasks.worlds import World
from tasks.worlds.engine.episodes import play

AGENTS = Path(__file__).parent / "agents"
PARAMS = Path(__file__).parents[2] / "params"
ALL = tuple(sorted(path.stem for path in AGENTS.glob("*.zip")))
CHOOSING = ("dqn", "ppo_discrete")
SB3 = {"_target_": "tasks.adopt.sb3.SB3", "method": "sb3", "dataset": "d"}


def world_of(name: str) -> World:
    """Where an agent acts."""
    world = "cartpole" if name in CHOOSING else "pendulum"
    return build(load_params(PARAMS / f"world/{world}.yaml"), "world")


def oracle(name: str) -> dict[str, Any]:
    """Observations, what the agent did, and what it earned on start seeds 0 to 4."""
    arrays = read_npz(AGENTS / f"{name}.npz", "make it again")
    return {key: array.copy() for key, array in arrays.items()}


@cache
def tensors_in(name: str) -> bytes:
    """Tensors of an agent's policy.pth as safetensors."""
    with tempfile.TemporaryDirectory() as folder:
        target, path = Path(folder) / TENSORS, AGENTS / f"{name}.zip"
        tensors_of(Zip(path, "mend").read("policy.pth"), target, path)
        return target.read_bytes()


def source(
    folder: Path,
    name: str,
    data: Callable[[dict[str, Any]], None] = lambda _: None,
    tensors: Callable[[dict[str, Tensor]], None] = lambda _: None,
    norm: Path | None = None,
) -> Path:
    """What ``make adopt`` leaves of an agent, with its data or tensors changed."""
    original = Zip(AGENTS / f"{name}.zip", "mend")
    content = json.loads(original.read("data"))
    data(content)
    weights = load(tensors_in(name))
    tensors(weights)
    folder.mkdir(exist_ok=True)
    (folder / TENSORS).write_bytes(save(weights))
    with zipfile.ZipFile(folder / "policy.zip", "w") as new:
        new.writestr("data", json.dumps(content))
    if norm:
        shutil.copy(norm, folder / "norm.npz")
    seal(folder, f"{name}.zip")
    return folder


def adopted(name: str, folder: Path) -> Feedforward:
    """An agent as a policy."""
    norm = AGENTS / f"{name}_norm.npz"
    source(folder, name, norm=norm if norm.exists() else None)
    return of_source(folder, SB3, world_of(name))


def of_source(folder: Path, block: Mapping[str, Any], world: World) -> Feedforward:
    """The policy of a source, for a world."""
    adoption = build(dict(block), "adopted.a")
    return read_source(folder, adoption, Spaces.of_world(world))[0]


def returns(world: World, act: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
    """What a policy earns on start seeds 0 to 4."""
    return play(world.make(5), lambda moment: act(moment.observation), range(5)).returns
