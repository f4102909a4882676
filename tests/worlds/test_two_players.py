"""Two players: who earns what, and what the adversary may do."""

from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds.engine.two_players import AdversaryParams, TwoPlayers
from tests.worlds.harness import actions, load

PHYSICAL = ("cartpole", "pendulum", "hopper", "halfcheetah", "walker2d", "swimmer_omni")


def players(name: str, n: int = 3, **adversary: Any) -> Any:
    block = {"force": None, "params": {}} | adversary
    return TwoPlayers(load(name), n, AdversaryParams.parse(block, "adversary"))


def moves(game: Any, steps: int, n: int = 3) -> Any:
    space = game.adversary_space
    draw = np.random.default_rng(2)
    return draw.uniform(space.low, space.high, (steps, n, *space.shape))


@pytest.mark.parametrize("name", PHYSICAL)
def test_both_act_in_the_same_step_and_one_loses_what_the_other_earns(name: str):
    game = players(name, force=0.6)
    batch: Any = load(name).make(3)
    first, _ = game.reset(seed=[1, 2, 3])
    assert first.tobytes() == batch.reset(seed=[1, 2, 3])[0].tobytes()
    plan, pushes = actions(batch.world, 20, 3), moves(game, 20)
    for action, push in zip(plan, pushes, strict=True):
        seen, rewards, terminated, truncated, _ = game.step(action, push)
        batch.apply_force(push)
        after, reward, *ends, _ = batch.step(action)
        assert seen.tobytes() == after.tobytes()
        assert rewards.tolist() == [reward.tolist(), (-reward).tolist()]
        assert np.array_equal([terminated, truncated], ends)
    assert game.batch.steps.tolist() == batch.steps.tolist()


@pytest.mark.parametrize("name", PHYSICAL)
def test_an_adversary_without_strength_changes_nothing(name: str):
    game, batch = players(name, force=0), load(name).make(3)
    game.reset(seed=[1, 2, 3])
    batch.reset(seed=[1, 2, 3])
    for action in actions(batch.world, 10, 3):
        push = np.zeros((3, *game.adversary_space.shape))
        assert game.step(action, push)[0].tobytes() == batch.step(action)[0].tobytes()


def test_an_adversary_may_change_parameters_beside_pushing():
    game = players(
        "pendulum", force=0.6, params={"mass": [0.5, 2.0], "gravity": [1, 1.5]}
    )
    assert game.adversary_space.low.tolist() == [-0.6, 0.5, 1.0]
    assert game.adversary_space.high.tolist() == [0.6, 2.0, 1.5]
    batch: Any = load("pendulum").make(3)
    game.reset(seed=[1, 2, 3])
    batch.reset(seed=[1, 2, 3])
    for action, move in zip(actions(batch.world, 9, 3), moves(game, 9), strict=True):
        batch.apply_force(move[:, :1])
        batch.set_params({"mass": move[:, 1], "gravity": move[:, 2]})
        assert game.step(action, move)[0].tobytes() == batch.step(action)[0].tobytes()


def test_other_parameters_of_the_world_stay():
    own = {"simulated": {"gravity": 0.5}, "made_in": "simulated"}
    cls = "tasks.worlds.pendulum.PendulumTwin"
    world = load("pendulum", _target_=cls, **own)
    game: Any = TwoPlayers(world, 2, AdversaryParams(None, {"mass": [1, 2]}))
    game.reset(seed=[1, 2])
    game.step(np.zeros((2, 1), np.float32), np.array([[1.0], [1.5]]))
    assert game.batch.psi["gravity"].tolist() == [0.5, 0.5]
    assert game.batch.psi["mass"].tolist() == [1.0, 1.5]


def test_moves_outside_the_bounds_are_cut_to_them():
    outcomes = []
    for push in (0.6, 5.0):
        game = players("pendulum", 1, force=0.6)
        game.reset(seed=[1])
        outcomes.append(game.step(np.zeros((1, 1)), np.array([[push]]))[0].tobytes())
    assert outcomes[0] == outcomes[1]


def test_an_episode_that_has_ended_earns_nobody_anything():
    game = players("cartpole", 1, force=2.0)
    game.reset(seed=[1])
    for _ in range(30):
        rewards = game.step(np.array([1]), np.array([[2.0]]))[1]
    assert game.batch.ended.all()
    assert not rewards.any()
    seen, _ = game.reset(seed=[1])
    assert np.abs(seen).max() <= 0.05
    game.close()


@pytest.mark.parametrize(
    ("name", "adversary", "words"),
    [
        (
            "taxi",
            {"force": 1.0},
            "taxi, which has no apply_force, .* cartpole, .*hopper",
        ),
        ("scenes", {"params": {"mass": [1, 2]}}, "scenes, which has no set_params"),
        ("gym", {"force": 1.0}, "gym, which has no apply_force"),
        ("pendulum", {}, "found null, and no params"),
        ("pendulum", {"force": -1.0}, r"\[0, 1e\+06\]"),
        ("pendulum", {"force": float("nan")}, "force: found nan"),
        ("pendulum", {"force": "strong"}, "force"),
        ("pendulum", {"params": {"mas": [1, 2]}}, "did you mean mass"),
        ("pendulum", {"params": {"mass": [2, 1]}}, r"mass: found \[2, 1\]"),
        ("pendulum", {"params": {"mass": [0, 1]}}, "found 0.0|found 0"),
        ("pendulum", {"params": {"mass": [1, 1000]}}, "found 1000"),
        ("pendulum", {"params": {"mass": [1, float("nan")]}}, "mass: found"),
        ("pendulum", {"params": {"mass": 2}}, "mass: found 2"),
        ("pendulum", {"params": [1]}, "params"),
        ("pendulum", {"forse": 1.0}, "did you mean force"),
    ],
)
def test_what_an_adversary_cannot_do_is_refused(name: str, adversary: Any, words: str):
    with pytest.raises(RefusedError, match=words):
        players(name, **adversary)


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (np.zeros((2, 1)), r"shape \(2, 1\)"),
        (np.zeros((3, 2)), r"shape \(3, 2\)"),
        (np.full((3, 1), np.nan), "NaN"),
    ],
)
def test_wrong_moves_are_refused_before_anything_moves(move: Any, words: str):
    game = players("pendulum", force=0.6)
    first, _ = game.reset(seed=[1, 2, 3])
    with pytest.raises(RefusedError, match=words):
        game.step(np.ones((3, 1)), move)
    assert game.batch.observation.tobytes() == first.tobytes()
