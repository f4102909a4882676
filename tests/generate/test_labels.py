"""The teacher is right, but for the share it errs."""

import numpy as np
import pytest

from tasks.artifacts.episodes import check_episodes
from tasks.artifacts.errors import RefusedError
from tasks.worlds.scenes import render
from tests.generate.test_rollout import equal, make, quiet
from tests.worlds.harness import load


def test_labels_are_the_classes_of_the_pictures():
    world = load("scenes")
    made = make("labels", noise=0.0, episodes=30).episodes(world, quiet)
    for episode in made:
        picture, label = render(episode.seed)
        assert episode.observations.shape == (2, 768)
        assert np.array_equal(episode.observations, [picture, picture])
        assert episode.actions.tolist() == [label]
        assert episode.rewards.tolist() == [1]
        assert episode.source == "teacher"
    check_episodes(made, world.observation_space, world.action_space, "made")


def test_noise_is_the_share_drawn_evenly():
    made = make("labels", noise=0.5, episodes=600).episodes(load("scenes"), quiet)
    assert np.mean([e.ret for e in made]) == pytest.approx(0.55, abs=0.06)
    wrong = [e.actions[0] for e in made if not e.ret]
    assert len(set(wrong)) == 10


def test_episodes_do_not_depend_on_how_many_are_in_flight():
    world = load("scenes")
    runs = [
        make("labels", episodes=21, in_flight=n).episodes(world, quiet) for n in (1, 8)
    ]
    equal(*runs)


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
