"""Environments nobody here wrapped: Gymnasium's own episodes, and what is refused."""

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces as gs

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.recorded import write_world
from tasks.code.blocks import named_worlds
from tasks.code.check import check
from tasks.worlds.engine.recorded import recorded_world
from tasks.worlds.gym import Gym
from tasks.worlds.gym.blocks import EnvId, PlainKwargs
from tasks.worlds.gym.spaces import Acts, Observes
from tests.worlds.harness import WorldTests, actions, load

ENVS = {
    "MountainCarContinuous-v0": {},
    "Reacher-v5": {"reward_control_weight": 0.5},
    "PointMaze_Open-v3": {"continuing_task": False},
    "FrozenLake-v1": {"is_slippery": False, "map_name": "8x8"},
    "Blackjack-v1": {},
}


def world(env_id: str, limit: int = 60, **changes: Any) -> Gym:
    made = load("gym", name="mine", env_id=env_id, max_steps=limit, **changes)
    assert isinstance(made, Gym)
    return made


class TestGym(WorldTests):
    """The harness, in the world of params/world/gym.yaml."""

    name = "gym"
    capabilities = ()

    def test_reset_to_continues_the_trajectory(self):
        """It has no such capability, and says so."""
        with pytest.raises(AssertionError):
            assert hasattr(load(self.name).make(1), "reset_to")

    test_set_params_changes_physics_and_returns = test_reset_to_continues_the_trajectory
    test_termination_fn_agrees_with_stepping = test_reset_to_continues_the_trajectory


@pytest.mark.parametrize("env_id", ENVS)
def test_episodes_are_gymnasiums_own_to_the_last_bit(env_id: str):
    seeds, limit = [3, 4, 11], 60
    own = world(env_id, limit, kwargs=ENVS[env_id])
    batch, plan = own.make(3), actions(own, limit, 3)
    first, _ = batch.reset(seed=seeds)
    steps = [batch.step(plan[t])[:4] for t in range(limit)]
    env = gymnasium.make(env_id, max_episode_steps=limit, **ENVS[env_id])
    for i, seed in enumerate(seeds):
        seen, _ = env.reset(seed=seed)
        assert first[i].tobytes() == own.observes.flat(seen).tobytes()
        for t in range(limit):
            action = plan[t, i] if not own.discrete else int(plan[t, i])
            seen, reward, *flags, _ = env.step(action)
            assert steps[t][0][i].tobytes() == own.observes.flat(seen).tobytes()
            assert steps[t][1][i] == reward
            assert [f[i] for f in steps[t][2:]] == flags
            if any(flags):
                assert not steps[t + 1 :] or not steps[t + 1][1][i]
                break
    assert batch.ended.all()
    batch.close()


def test_a_dict_is_flattened_by_sorted_keys():
    own = world("PointMaze_Open-v3")
    assert own.observes.parts == [
        ("achieved_goal", 2),
        ("desired_goal", 2),
        ("observation", 4),
    ]
    assert own.observation_space.shape == (8,)
    seen, _ = own.single().reset(seed=1)
    parts = [seen[key] for key, _ in own.observes.parts]
    assert own.observes.flat(seen).tobytes() == np.concatenate(parts).tobytes()
    recovered = gymnasium.make(own.env_spec())
    again, _ = recovered.reset(seed=1)
    assert again.tobytes() == own.observes.flat(seen).tobytes()


def test_parts_of_any_kind_become_numbers():
    space = gs.Dict(
        {
            "b": gs.Tuple((gs.Discrete(3, start=2), gs.MultiBinary(2))),
            "a": gs.Box(0, 255, (2, 2), np.uint8),
            "c": gs.MultiDiscrete([2, 3]),
        }
    )
    observes = Observes(space, "w")
    assert observes.parts == [("a", 4), ("b.0", 3), ("b.1", 2), ("c", 5)]
    seen = {
        "a": np.array([[1, 2], [3, 4]], np.uint8),
        "b": (4, np.array([1, 0], np.int8)),
        "c": np.array([1, 2]),
    }
    row = observes.flat(seen)
    assert row.tolist() == [1, 2, 3, 4, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1]
    assert row.dtype == observes.space.dtype == np.float32
    assert row in observes.space


def test_actions_are_shifted_and_shaped():
    shifted = Acts(gs.Discrete(3, start=5), "w")
    assert shifted.space == gs.Discrete(3)
    assert shifted.own(np.int64(2)) == 7
    shaped = Acts(gs.Box(-2, 2, (2, 2), np.float64), "w")
    assert shaped.space.shape == (4,)
    own = shaped.own(np.arange(4, dtype=np.float32))
    assert own.tolist() == [[0, 1], [2, 3]]
    assert own.dtype == np.float64


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (gs.MultiDiscrete([2, 3]), "found MultiDiscrete, expected Box or Discrete"),
        (gs.MultiBinary(3), "found MultiBinary"),
        (gs.Dict({"a": gs.Discrete(2)}), "found Dict"),
        (gs.Box(-np.inf, np.inf, (2,)), "a bound that is infinite"),
        (gs.Box(0, 3, (2,), np.int64), "numbers of type int64"),
        (gs.Box(np.zeros(2), np.array([1.0, 0.0]), dtype=np.float64), "a range for"),
        (gs.Discrete(5000), "5000 actions, expected at most 4096"),
    ],
)
def test_actions_that_no_policy_has_are_refused(space: Any, words: str):
    with pytest.raises(RefusedError, match=f"^w: action: .*{words}"):
        Acts(space, "w")


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (gs.Box(0, 255, (96, 96, 3), np.uint8), "27648 numbers, expected 1 to 4096"),
        (gs.Text(5), "observation: Text"),
        (gs.Dict({"words": gs.Sequence(gs.Discrete(2))}), "words: Sequence"),
        (gs.Graph(gs.Discrete(2), None), "Graph"),
    ],
)
def test_observations_that_are_no_row_are_refused(space: Any, words: str):
    with pytest.raises(RefusedError, match=words):
        Observes(space, "w")


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("Reecher-v5", "did you mean Reacher-v5"),
        ("Reacher", "did you mean Reacher-v"),
        ("Reacher-v99", "did you mean Reacher-v"),
        ("json:Reacher-v5", "without a module before it"),
        ("GymV26Environment-v0", "an id that Gymnasium knows"),
        ("", "an id that"),
        ("x" * 5000 + "-v0", "an id that"),
    ],
)
def test_unknown_ids_are_refused_with_the_nearest(env_id: str, words: str):
    with pytest.raises(RefusedError, match=words) as error:
        world(env_id)
    assert "\n" not in str(error.value)


def test_a_dataset_makes_gymnasium_import_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_env.py").write_text("raise SystemExit('imported')\n")
    text = Path("params/world/gym.yaml").read_text("utf-8")
    block = yaml.safe_load(text) | {"name": "mine"}
    write_world(tmp_path, block, 1.0, [])
    assert recorded_world(tmp_path).params.name == "mine"
    for change in (
        {"env_id": "evil_env:X-v0"},
        {"env_id": "GymV26Environment-v0", "kwargs": {"env_id": "evil_env:X-v0"}},
        {"kwargs": {"env_id": "evil_env:X-v0"}},
        {"kwargs": {"xml_file": "../model.xml"}},
    ):
        write_world(tmp_path, block | change, 1.0, [])
        with pytest.raises(RefusedError, match=r"world\.json: world\."):
            recorded_world(tmp_path)
    assert "evil_env" not in sys.modules


@pytest.mark.parametrize(
    "kwargs",
    [
        {"render_mode": "human"},
        {"xml_file": "models/x.xml"},
        {"wrapper": "evil:make"},
        {"max_episode_steps": 3},
        {"a b": 1},
        {1: 2},
        {"when": object()},
        [],
    ],
)
def test_kwargs_that_are_no_plain_data_are_refused(kwargs: Any):
    assert kwargs not in PlainKwargs()
    with pytest.raises(RefusedError, match=r"kwargs: found"):
        world("Reacher-v5", kwargs=kwargs)


def test_plain_kwargs_are_taken():
    maze = [[1, 1, 1], [1, "r", 1], [1, "g", 1], [1, 1, 1]]
    assert {"maze_map": maze, "x": {"y": None, "z": True}} in PlainKwargs()
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    assert {"x": deep} not in PlainKwargs()
    assert "Ant/Maze.x-v3" in EnvId()


def test_kwargs_that_the_environment_does_not_know_are_refused_in_one_line():
    with pytest.raises(RefusedError, match="Reacher-v5 with kwargs .*TypeError") as e:
        world("Reacher-v5", kwargs={"colour": "red"})
    assert "\n" not in str(e.value)


def test_a_study_may_have_any_number_of_them():
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    data = params["dataset"]["hopper_medium_replay"]
    text = Path("params/world/gym.yaml").read_text("utf-8")
    data["world"] = yaml.safe_load(text) | {"name": "arm", "env_id": "Reacher-v5"}
    check(params)
    assert named_worlds(params) == {"arm": "gym"}
    data["world"]["env_id"] = "Reacher-v55"
    with pytest.raises(RefusedError, match="did you mean Reacher-v"):
        check(params)
