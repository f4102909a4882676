"""The risky gridworld on the shared harness, and its exact laws."""

import gymnasium
import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tasks.worlds.cores.stock import best_cvar, cvar, mean, solve
from tests.worlds.harness import WorldTests, load

NAME = "risky_gridworld"


class TestRiskyGridworld(WorldTests):
    name = NAME
    capabilities = ("reset_to",)

    def test_equals_gymnasium_bit_by_bit(self):
        """Some random walks reach the goal and some do not; all are compared."""
        world = load(self.name)
        env, draw = gymnasium.make(world.env_spec()), np.random.default_rng(0)
        batch = world.make(1)
        for seed in range(30):
            ours, _ = batch.reset(seed=[seed])
            theirs, _ = env.reset(seed=seed)
            over = False
            while not over:
                assert np.array_equal(ours[0], theirs)
                action = int(draw.integers(4))
                ours, reward, ended, *_ = batch.step(np.array([action]))
                theirs, same, over, *_ = env.step(action)
                assert (reward[0], ended[0]) == (same, over)

    def test_start_depends_on_the_seed_alone(self):
        """All starts look alike, so what is lost on the short way is compared."""

        def walk(seeds: list[int]) -> np.ndarray:
            batch = load(self.name).make(len(seeds))
            batch.reset(seed=seeds)
            return np.stack([batch.step(np.full(len(seeds), 3))[1] for _ in range(4)])

        many = walk(list(range(60)))
        assert len(set(many.sum(0))) > 1
        assert np.array_equal(many[:, 7:8], walk([7]))

    def test_set_params_changes_physics_and_returns(self):
        with pytest.raises(RefusedError, match="which has no set_params"):
            require(load(self.name).make(1), "set_params")

    def test_termination_fn_agrees_with_stepping(self):
        with pytest.raises(RefusedError, match="which has no termination_fn"):
            require(load(self.name), "termination_fn")


def test_moves_walls_and_the_goal():
    batch = load(NAME).make(4)
    batch.reset(seed=[0, 1, 2, 3])
    seen, *_ = batch.step(np.array([0, 1, 2, 3]))  # up, down, left, right
    assert seen.tolist() == [[1, 3, 0], [1, 4, 0], [1, 4, 0], [1, 4, 1]]
    way = [0, 3, 3, 3, 3, 1]
    batch.reset(seed=[0, 1, 2, 3])
    for number, action in enumerate(way):
        _, reward, terminated, *_ = batch.step(np.full(4, action))
        assert (reward == -1).all()  # nothing is risked
        assert terminated.all() == (number == 5)


def test_a_mean_is_bought_with_the_worst_tenth():
    world = load(NAME)
    neutral = solve(world, lambda x: x).law(0.0)
    assert mean(neutral) == pytest.approx(-5.2)
    assert mean(neutral) == pytest.approx(require(world, "exact")().optimum)
    assert cvar(neutral, 0.1) == pytest.approx(-12.59, abs=0.01)
    assert cvar(neutral, 0.25) == pytest.approx(-8.80, abs=0.01)
    for share in (0.1, 0.25, 0.5):
        start, table = best_cvar(world, share)
        law = table.law(start)
        assert start == 6
        assert law == pytest.approx({-6.0: 1.0})
    start, table = best_cvar(world, 1.0)
    assert mean(table.law(start)) == pytest.approx(-5.2)


@pytest.mark.parametrize(
    ("wanted", "error"), [(-6, 0.0), (-10, 0.0), (-15, 0.0), (-4, 1.2)]
)
def test_one_table_reaches_any_return(wanted: float, error: float):
    table = solve(load(NAME), lambda x: -np.abs(x))
    law = table.law(-wanted)
    missed = sum(abs(value - wanted) * chance for value, chance in law.items())
    assert missed == pytest.approx(error, abs=1e-9)


def test_played_returns_have_the_law():
    """The table's policy, played with a carried stock."""
    world = load(NAME)
    table = solve(world, lambda x: -np.abs(x))
    batch = world.make(400)
    seen, _ = batch.reset(seed=list(range(400)))
    returns = np.zeros(400)
    while not batch.ended.all():
        at = seen.astype(int)
        state = at[:, 1] * 5 + at[:, 2]
        held = np.array([table.at(10.0 + earned) for earned in returns])
        step = np.minimum(at[:, 0], 19)
        seen, reward, *_ = batch.step(table.actions[step, state, held])
        returns += reward
    assert (returns == -10).all()
