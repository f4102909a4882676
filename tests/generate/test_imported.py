"""What real data holds: each case is settled, counted, or refused in one line."""

import re
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.errors import RefusedError
from tests.generate.imports import log, options, settled
from tests.worlds.harness import load

ONES = Box(-1, 1, (2,))


def note(notes: list[str], pattern: str) -> str:
    return next(text for text in notes if re.search(pattern, text))


def test_plain_logs_stay_as_they_are():
    given = [log(seed=0), log(3, 1, terminated=True, truncated=False)]
    brought = settled(*given, space=ONES)
    for episode, source in zip(brought.episodes, given, strict=True):
        assert np.array_equal(episode.observations, source.observations[""])
        assert np.array_equal(episode.actions, source.actions)
        assert np.array_equal(episode.rewards, source.rewards)
        assert episode.metadata == {"logged_as": source.where}
    assert brought.episodes[0].truncations.tolist() == [False] * 3 + [True]
    assert brought.episodes[1].terminations.tolist() == [False] * 2 + [True]
    assert brought.notes == []


def test_bounds_of_observations_are_advice():
    stated = Box(np.float32([-0.5] * 3), np.float32([0.5] * 3))
    brought = settled(log(20), space=ONES, observed=stated)
    rows = brought.episodes[0].observations
    outside = (np.abs(rows[:, 1]) > 0.5).sum()
    assert outside
    assert note(brought.notes, "column 1, numbers beyond").endswith(f": {outside}")
    assert brought.observation_space.low[1] == min(-0.5, rows[:, 1].min())


def test_both_flags_are_a_termination():
    brought = settled(log(terminated=True, truncated=True), space=ONES)
    assert brought.episodes[0].terminations[-1]
    assert not brought.episodes[0].truncations[-1]
    assert note(brought.notes, "terminated wins").endswith(": 1")


@pytest.mark.parametrize("flags", [(False, False), (None, None), (None, False)])
def test_neither_flag_is_asked_for(flags: tuple[bool | None, bool | None]):
    given = log(terminated=flags[0], truncated=flags[1])
    with pytest.raises(RefusedError, match=r'run 0, terminated/trunc.*"end=truncated"'):
        settled(given, space=ONES)
    brought = settled(given, space=ONES, end="terminated")
    assert brought.episodes[0].terminations[-1]
    assert note(brought.notes, "taken as terminated")


def test_a_rounding_over_a_bound_is_clipped_and_more_is_refused():
    actions = np.array([[1 + 1.9e-5, 0], [-1, 0.5], [0, 0], [0, 0]])
    brought = settled(log(actions=actions), space=ONES)
    assert brought.episodes[0].actions[0, 0] == 1
    assert note(brought.notes, "a rounding beyond").endswith(": 1")
    actions[2, 1] = -1.001
    found = r"run 0, step 2, actions: found -1.001 in column 1, expected -1 to 1"
    with pytest.raises(RefusedError, match=found):
        settled(log(actions=actions), space=ONES)
    brought = settled(log(actions=actions), space=ONES, clip_actions=True)
    assert brought.episodes[0].actions[2, 1] == -1


@pytest.mark.filterwarnings("ignore:.*all equal")
def test_rewards_and_choices_of_two_axes_are_squeezed():
    given = log(rewards=np.ones((4, 1)), actions=np.array([[0], [2], [1], [0]]))
    brought = settled(given)
    assert brought.episodes[0].rewards.shape == (4,)
    assert brought.episodes[0].actions.tolist() == [0, 2, 1, 0]
    assert brought.action_space == Discrete(3)
    assert note(brought.notes, "choices among 3")


def test_choices_as_floats_that_begin_elsewhere():
    given = log(actions=np.array([5.0, 7, 6, 5]))
    brought = settled(given, space=Discrete(3, start=5))
    assert brought.episodes[0].actions.tolist() == [0, 2, 1, 0]
    assert brought.action_space == Discrete(3)
    for wrong in (5.5, 8.0, 4.0):
        bad = log(actions=np.array([5.0, wrong, 6, 5]))
        with pytest.raises(RefusedError, match=f"step 1, actions: found {wrong}"):
            settled(bad, space=Discrete(3, start=5))


@pytest.mark.parametrize(("shape", "width"), [((2, 2), 4), ((), 1)])
def test_actions_of_any_shape_become_one_axis(shape: tuple[int, ...], width: int):
    values = np.linspace(-1, 1, 4 * width).reshape(4, *shape)
    brought = settled(log(actions=values), space=Box(-1, 1, shape))
    assert brought.episodes[0].actions.shape == (4, width)
    assert brought.action_space.shape == (width,)


def test_a_locked_joint_keeps_its_one_value():
    stated = Box(np.float32([-1, 0.3]), np.float32([1, 0.3]))
    actions = np.stack([np.linspace(-1, 1, 4), np.full(4, 0.3)], 1)
    brought = settled(log(actions=actions), space=stated)
    assert (brought.episodes[0].actions[:, 1] == np.float32(0.3)).all()
    actions[1, 1] = 0.31
    with pytest.raises(RefusedError, match=r"step 1, actions: found 0.31 in column 1"):
        settled(log(actions=actions), space=stated)


def test_infinite_bounds_are_asked_for():
    actions = np.array([[1.5, 0], [-2, 0.5], [0, 0], [0, 0]])
    for stated in (Box(-np.inf, np.inf, (2,)), None):
        with pytest.raises(RefusedError, match=r"low=\[-2,0\] action_high=\[1\.5"):
            settled(log(actions=actions), space=stated)
        brought = settled(
            log(actions=actions), space=stated, action_low=[-2], action_high=[2, 1]
        )
        assert brought.action_space.high.tolist() == [2, 1]


def test_bounds_are_guessed_where_all_fit_one():
    assert note(settled(log()).notes, "no bounds stated, all in")


def test_a_mapping_of_observations_is_flattened_in_order_of_its_keys():
    rows = np.arange(10.0).reshape(5, 2)
    parts = OrderedDict(b=rows, a=np.arange(5)[:, None], z=rows.reshape(5, 1, 2))
    brought = settled(log(observations=parts), space=ONES)
    expected = np.concatenate([np.arange(5)[:, None], rows, rows], axis=1)
    assert np.array_equal(brought.episodes[0].observations, expected)
    assert note(brought.notes, r"observations: a \(1\), b \(2\), z \(2\)")
    chosen = settled(log(observations=parts), space=ONES, obs_keys=["z", "a"])
    expected = np.concatenate([rows, np.arange(5)[:, None]], axis=1)
    assert np.array_equal(chosen.episodes[0].observations, expected)
    with pytest.raises(RefusedError, match="found no array c, expected one of a, b, z"):
        settled(log(observations=parts), space=ONES, obs_keys=["c"])


def test_a_discrete_observation_becomes_one_hot():
    observed = spaces.Dict({"cell": Discrete(4, start=1), "x": Box(-9, 9, (1,))})
    parts = {"cell": np.array([1, 4, 2, 3, 1]), "x": np.zeros((5, 1))}
    brought = settled(log(observations=parts), space=ONES, observed=observed)
    cells = brought.episodes[0].observations[:, :4].argmax(1)
    assert cells.tolist() == [0, 3, 1, 2, 0]
    parts["cell"][2] = 5
    with pytest.raises(RefusedError, match="found 5 at step 2, expected 1 to 4"):
        settled(log(observations=parts), space=ONES, observed=observed)


@pytest.mark.parametrize("name", ["observations", "actions", "rewards"])
@pytest.mark.parametrize("value", [1e39, np.nan, np.inf])
def test_a_number_without_float32_is_refused_where_it_stands(name: str, value: float):
    values: Any = getattr(log(), name)
    array = np.array(values[""] if name == "observations" else values, np.float64)
    array[2] = value
    given = log(**{name: {"": array} if name == "observations" else array})
    with pytest.raises(RefusedError, match=rf"made.h5: run 0, step 2, {name}: found "):
        settled(given, space=ONES, clip_actions=True)


def offset(by: float) -> Any:
    rows = np.random.default_rng(0).normal(size=(201, 3)) + np.array([0, by, 0])
    return log(200, observations={"": rows})


def test_numbers_that_float32_cannot_tell_apart_are_refused_with_the_figure():
    words = r"column 1: found 99.5% of its distinct values are one to .*shift=\[0"
    with pytest.raises(RefusedError, match=words) as error:
        settled(offset(1.7e9), space=ONES)
    shift = re.search(r"obs_shift=\[(.*?)\]", str(error.value))
    assert shift
    numbers = [float(number) for number in shift[1].split(",")]
    brought = settled(offset(1.7e9), space=ONES, obs_shift=numbers)
    rows = brought.episodes[0].observations.astype(np.float32)
    assert len(np.unique(rows[:, 1])) > 190  # float64 itself rounds at 2.4e-7 there
    lossy = settled(offset(1.7e9), space=ONES, dtype="float32")
    assert note(lossy.notes, "99.5% of its distinct")
    assert settled(offset(100.0), space=ONES).notes == []


def test_the_final_observation_is_dropped_or_repeated():
    rows = {"": np.arange(12, dtype=np.float32).reshape(4, 3)}
    out = settled(log(observations=rows), space=ONES).episodes[0]
    assert len(out) == 3
    assert out.truncations[-1]
    done = log(observations=rows, terminated=True, truncated=False)
    ended = settled(done, space=ONES).episodes[0]
    assert len(ended) == 4
    assert np.array_equal(ended.observations[3], ended.observations[4])
    assert len(settled(done, space=ONES, final_obs="drop").episodes[0]) == 3
    with pytest.raises(RefusedError, match="run 0, observations: found 4 rows for 4"):
        settled(done, space=ONES, final_obs="next_obs")


def test_infos_nobody_reads_or_of_another_length_are_left_out():
    infos = {
        "qpos": np.zeros((4, 2)),
        "legal": np.ones((4, 3)),
        "attacked": np.zeros(2),
    }
    brought = settled(log(actions=np.array([0, 2, 1, 0]), infos=infos))
    assert set(brought.episodes[0].infos) == {"legal"}
    assert brought.episodes[0].infos["legal"].shape == (5, 3)
    assert note(brought.notes, "attacked left out")


def test_densities_are_taken_once_it_is_said_of_what():
    infos = {"log_prob": np.arange(4.0)}
    stated = Box(-2, 2, (2,))
    assert settled(log(infos=infos), space=stated).episodes[0].infos == {}
    for kind, added in (("scaled", 0.0), ("raw", 2 * np.log(2))):
        episode = settled(log(infos=infos), space=stated, log_prob=kind).episodes[0]
        expected = np.arange(4.0) + added
        np.testing.assert_allclose(episode.infos["log_prob"][:4], expected)


@pytest.mark.filterwarnings("ignore:.*all equal")
def test_rewards_are_scaled_then_shifted_and_actions_rescaled():
    brought = settled(
        log(rewards=np.ones(4), actions=np.array([[0, 1], [1, 0], [0, 0], [1, 1]])),
        space=Box(-2, 2, (2,)),
        reward_scale=3.0,
        reward_shift=-1.0,
        rescale_actions=[0, 1],
    )
    assert brought.episodes[0].rewards.tolist() == [2.0] * 4
    assert brought.episodes[0].actions[0].tolist() == [-2, 2]


def test_a_range_of_episodes_and_a_least_length():
    given = [log(n, seed=n) for n in (2, 3, 4, 5)]
    brought = settled(*given, space=ONES, episodes="1:3", min_length=4)
    assert [e.metadata["logged_as"] for e in brought.episodes] == ["run 4"]
    assert note(brought.notes, "too short").endswith(": 1")
    for wrong in ("3", "a:b", "-1:2"):
        with pytest.raises(RefusedError, match="episodes: found"):
            settled(*given, space=ONES, episodes=wrong)
    with pytest.raises(RefusedError, match="found 0, expected 1 to"):
        settled(*given, space=ONES, episodes="9:")


@pytest.mark.parametrize(
    ("stated", "match"),
    [
        (spaces.MultiDiscrete([2, 3]), "action_space: found MultiDiscrete"),
        (Box(-1, 1, (3,)), "actions: found 2 a step, expected 3"),
    ],
)
def test_other_actions_are_refused(stated: Any, match: str):
    with pytest.raises(RefusedError, match=match):
        settled(log(), space=stated)


def test_text_and_missing_arrays_are_refused_by_name():
    rows = np.zeros((5, 2))
    with pytest.raises(RefusedError, match="observations/b: found <U1 of shape"):
        settled(log(observations={"a": rows, "b": np.array(["x"] * 5)}), space=ONES)
    others = log(observations={"a": rows}), log(seed=1, observations={"b": rows})
    with pytest.raises(RefusedError, match="run 1, observations/a: found nothing"):
        settled(*others, space=ONES)


def test_a_world_is_compared_and_its_bounds_hold():
    from tasks.generate.imported.logs import Logs
    from tasks.generate.imported.rules import apply

    world = load("pendulum")
    given = log(actions=np.full((4, 1), 1.5))
    source = Logs("made", [given], env_id="Pendulum-v0")
    brought = apply(source, options(), "made.h5", world)
    assert brought.action_space == world.action_space
    assert brought.observation_space == Box(
        np.minimum(world.observation_space.low, given.observations[""].min(0)),
        np.maximum(world.observation_space.high, given.observations[""].max(0)),
    )
    assert "Pendulum-v0 data is scored in Pendulum-v1" in brought.notes
    wide = log(observations={"": np.zeros((5, 7))}, actions=np.ones((4, 1)))
    with pytest.raises(RefusedError, match="found 7 numbers, expected 3, as in"):
        apply(Logs("made", [wide]), options(), "made.h5", world)
    with pytest.raises(RefusedError, match="action_low: found bounds"):
        apply(source, options(action_low=[-1]), "made.h5", world)
