"""The teacher is right, but for the share it errs."""

import numpy as np
import pytest

from tasks.artifacts.episodes import check_episodes
from tasks.artifacts.errors import RefusedError
from tasks.worlds.scenes import render
from tests.generate.test_rollout import assert_equal, make, quiet
from tests.worlds.harness import load


@pytest.mark.filterwarnings("ignore:.*all equal")  # it never errs
def test_labels_are_the_classes_of_the_pictures():
    world = load("scenes", max_steps=7)
    episodes = make("labels", noise=0.0, episodes=5).episodes(world, quiet)
    for episode in episodes:
        pictures = [render(episode.seed, number) for number in range(8)]
        assert np.array_equal(
            episode.observations, [picture for picture, _ in pictures]
        )
        assert episode.actions.tolist() == [label for _, label in pictures[:-1]]
        assert episode.rewards.tolist() == [1] * 7
        assert episode.source == "teacher"
    check_episodes(episodes, world.observation_space, world.action_space, "made")


def test_noise_is_the_share_drawn_evenly():
    episodes = make("labels", noise=0.5, episodes=20).episodes(load("scenes"), quiet)
    rewards = np.stack([e.rewards for e in episodes])
    assert rewards.shape == (20, 50)
    assert rewards.mean() == pytest.approx(0.55, abs=0.05)
    wrong = np.stack([e.actions for e in episodes])[rewards == 0]
    assert (np.bincount(wrong, minlength=10) > 20).all()


def test_episodes_do_not_depend_on_how_many_are_in_flight():
    world = load("scenes", max_steps=5)
    runs = [
        make("labels", episodes=11, in_flight=n).episodes(world, quiet) for n in (1, 4)
    ]
    assert_equal(*runs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"noise": 1.5}, "generate.noise"), ({"episodes": 0}, "generate.episodes")],
)
def test_bad_parameters_are_refused(changes: dict[str, float], message: str):
    with pytest.raises(RefusedError, match=message):
        make("labels", **changes)


def test_a_world_without_answers_is_refused():
    with pytest.raises(RefusedError, match="pendulum, which has no answers"):
        make("labels", episodes=1).episodes(load("pendulum"), quiet)
