"""Playing discrete policies, and which files are refused."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.evaluate.engine.compatibility import check_fits
from tasks.evaluate.returns import play
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.worlds import World
from tests.variant_files import write
from tests.worlds.harness import load


def files(
    folder: Path, world: World, masked: bool, seed: int = 0
) -> tuple[Path, OnnxPolicy]:
    width, count = world.observation_space.shape[0], world.action_width
    policy = Feedforward(
        list(MLP((seed,), "some", (width, 8, count)).layers),
        "categorical",
        torch.zeros(width),
        torch.ones(width),
        torch.zeros(count),
        torch.ones(count),
        masked=masked,
    )
    (path,) = write(folder, policy, world, "float32")
    return path, OnnxPolicy.open(path)


@pytest.mark.parametrize("name", ["taxi", "cartpole"])
def test_equals_one_environment_at_a_time(name: str, tmp_path: Path):
    world = load(name, max_steps=40)
    _, acting = files(tmp_path, world, world.masked)
    table = play(world.make(4), acting, 0, np.arange(4) + 7, lambda *_: None)
    env = gymnasium.make(world.env_spec())
    for i in range(4):
        seen, infos = env.reset(seed=7 + i)
        total, ended = 0.0, False
        while not ended:
            mask = infos.get("action_mask")
            legal = None if mask is None else mask[None]
            action = int(acting.act(seen[None], legal=legal)[0])
            assert mask is None or mask[action]
            seen, reward, terminated, truncated, infos = env.step(action)
            total, ended = total + float(reward), terminated or truncated
        assert table.returns[i] == total


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 3}, "outputs.action.n: found 3, expected 2"),
        ({"dtype": "float32"}, "outputs.action.dtype: found float32, expected int64"),
        ({"shape": ["batch", 1]}, r"outputs.action.shape: found \[1\]"),
    ],
)
def test_another_action_is_refused(change: dict[str, Any], words: str, tmp_path: Path):
    world = load("cartpole")
    path, acting = files(tmp_path, world, False)
    check_fits(path, acting.contract, world)
    contract = acting.contract
    contract["outputs"]["action"] |= change
    with pytest.raises(RefusedError, match=words):
        check_fits(path, contract, world)


def test_a_policy_blind_to_the_mask_is_refused(tmp_path: Path):
    world = load("taxi")
    path, acting = files(tmp_path, world, False)
    with pytest.raises(RefusedError, match="inputs.legal: found False, expected True"):
        check_fits(path, acting.contract, world)
