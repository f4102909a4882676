"""The omni swimmer on the shared harness, and its descriptor."""

import numpy as np
import pytest

from tasks.worlds import require
from tests.generate.test_rollout import make, quiet
from tests.worlds.harness import WorldTests, load


class TestSwimmerOmni(WorldTests):
    name = "swimmer_omni"
    bonus = 1.0


def test_an_episode_is_described_by_its_end():
    world = load("swimmer_omni", max_steps=20)
    episode = make("rollout", policy="random", episodes=1, steps=None).episodes(
        world, quiet
    )[0]
    descriptor = require(world, "descriptor")(episode)
    assert descriptor.tolist() == episode.observations[-1, :2].tolist()
    assert np.abs(descriptor - episode.observations[0, :2]).max() > 1e-4
    episode.infos["qpos"][-1, :2] = [7, -0.5]
    assert world.descriptor(episode).tolist() == [2, -0.5]  # type: ignore[attr-defined]
    pushes = np.square(episode.actions).sum()
    assert episode.ret == pytest.approx(20 - 0.5 * pushes)
    assert 0 <= episode.rewards.min() <= episode.rewards.max() <= 1
