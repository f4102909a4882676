"""Scenes on the shared harness, and what its pictures are."""

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tasks.worlds.scenes import CLASSES, render
from tests.worlds.harness import WorldTests, load


class TestScenes(WorldTests):
    name = "scenes"
    capabilities = ("reset_to", "answers")
    lacks = "apply_force"

    def test_set_params_changes_physics_and_returns(self):
        """It has no such capability, and says so."""
        batch = load(self.name).make(1)
        with pytest.raises(
            RefusedError, match=r"no set_params, expected .* cartpole, .* hopper"
        ):
            require(batch, "set_params")


def test_pictures_are_colours_and_classes_even():
    pictures, labels = zip(*(render(seed, 0) for seed in range(600)), strict=True)
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
    pictures, labels = zip(*(render(7, n) for n in range(900)), strict=True)
    seen, label = np.stack(pictures), np.array(labels)
    apart = ((seen[600:, None] - seen[None, :600]) ** 2).sum(-1)
    guess = label[:600][apart.argmin(1)]
    assert 0.05 < (guess == label[600:]).mean() < 0.4


def test_the_right_answer_is_rewarded_and_the_next_picture_shown():
    batch = load("scenes").make(3)
    first, _ = batch.reset(seed=[1, 2, 3])
    right = batch.answers()
    seen, reward, *flags, _ = batch.step(np.array([right[0], right[1], 9 - right[2]]))
    assert reward.tolist() == [1, 1, 0]
    assert not np.any(flags)
    picture, label = render(2, 1)
    assert seen[1].tobytes() == picture.tobytes() != first[1].tobytes()
    assert batch.answers()[1] == label
