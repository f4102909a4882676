"""An action whose bounds are one number stays at it, in learning and in the file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.density import scaled
from tasks.artifacts.rows import load_transitions
from tasks.train.engine.loop import train
from tests.train import harness
from tests.train.test_units import WIDTH, episodes
from tests.worlds.test_logged import block, logged

LOW, HIGH = np.float32([-1, 0.3]), np.float32([1, 0.3])
SIZES = {"actor_hidden": [8]}


@pytest.mark.parametrize("name", ["bc", "td3_bc", "iql", "awac"])
def test_a_locked_action_is_learned_beside_a_free_one(tmp_path: Path, name: str):
    locked = np.full((100, 1), HIGH[1])
    made = [
        replace(
            e,
            actions=np.concatenate([e.actions, locked], axis=1),
            rewards=e.observations[1:, 0],
        )
        for e in episodes(1.0, 0.0)
    ]
    space = Box(-np.inf, np.inf, (WIDTH,), np.float64)
    world = logged().of(space, Box(LOW, HIGH))
    write_dataset(tmp_path / "plant-v0", "plant-v0", made, world, block())
    data = load_transitions(tmp_path / "plant-v0")
    sizes = SIZES if name == "bc" else {**SIZES, "critic_hidden": [8]}
    learner = harness.make(name, (0, 1), 20, data, **sizes)
    train(learner, data, 20, 16)
    with torch.no_grad():
        rows = torch.from_numpy(data.observation[:50]).expand(2, -1, -1)
        action = learner.policy()(rows)
    assert torch.isfinite(action).all()
    assert (action[..., 1] == torch.tensor(HIGH[1])).all()
    assert action[..., 0].std() > 0


def test_it_is_0_where_actions_are_scaled():
    action = np.array([[0.5, HIGH[1]]])
    assert scaled(action, LOW, HIGH).tolist() == [[0.5, 0.0]]
