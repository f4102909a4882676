"""Scenes on the shared harness, where an episode is one answer, and its pictures."""

import gymnasium
import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tasks.worlds.scenes import CLASSES, render
from tests.worlds.harness import WorldTests, load


class TestScenes(WorldTests):
    name = "scenes"
    terminates = True
    capabilities = ("reset_to", "answers")

    def test_equals_gymnasium_bit_by_bit(self):
        """The recipe's environment shows and judges the same."""
        world = load(self.name)
        env, batch = gymnasium.make(world.env_spec()), world.make(40)
        seen, _ = batch.reset(seed=list(range(40)))
        answers = np.arange(40) % CLASSES
        after, rewards, terminated, truncated, _ = batch.step(answers)
        for i in range(40):
            first, _ = env.reset(seed=i)
            assert first.tobytes() == seen[i].tobytes() == after[i].tobytes()
            _, reward, ended, late, _ = env.step(int(answers[i]))
            assert (reward, ended, late) == (rewards[i], terminated[i], truncated[i])
        assert 0 < rewards.sum() < 40

    def test_time_limit_truncates_and_parks(self):
        """The first answer ends the episode, and the picture stays."""
        batch = load(self.name, max_steps=5).make(2)
        first, _ = batch.reset(seed=[1, 2])
        right = batch.answers()
        seen, reward, terminated, truncated, _ = batch.step(right)
        assert terminated.all()
        assert not truncated.any()
        assert reward.tolist() == [1, 1]
        later, reward, *flags, _ = batch.step(right)
        assert later.tobytes() == seen.tobytes() == first.tobytes()
        assert not reward.any()
        assert not np.any(flags)
        mask = {"reset_mask": np.array([True, False])}
        again, _ = batch.reset(seed=[9, 9], options=mask)
        assert again[0].tobytes() != seen[0].tobytes()
        assert again[1].tobytes() == seen[1].tobytes()

    def test_set_params_changes_physics_and_returns(self):
        """It has no such capability, and says so."""
        batch = load(self.name).make(1)
        with pytest.raises(RefusedError, match="which has no set_params"):
            require(batch, "set_params")


def test_pictures_are_colours_and_classes_even():
    pictures, labels = zip(*(render(seed) for seed in range(600)), strict=True)
    seen = np.stack(pictures)
    assert seen.shape == (600, 768)
    assert seen.dtype == np.float32
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert (seen.std(0) > 0.1).all()  # every pixel varies
    counts = np.bincount(labels, minlength=CLASSES)
    assert (np.abs(counts - 60) < 30).all()


def test_a_class_is_seen_and_not_by_one_colour():
    """Neighbours in pixels know little of the class: no picture is a colour code."""
    pictures, labels = zip(*(render(seed) for seed in range(900)), strict=True)
    seen, label = np.stack(pictures), np.array(labels)
    apart = ((seen[600:, None] - seen[None, :600]) ** 2).sum(-1)
    guess = label[:600][apart.argmin(1)]
    assert 0.05 < (guess == label[600:]).mean() < 0.4
