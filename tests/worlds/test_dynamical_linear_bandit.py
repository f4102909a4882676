"""The bandit with a hidden state: its equations, its optimum, and what it refuses."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tasks.worlds.cores.linear_system import BLOCK
from tests.worlds.harness import WorldTests, actions, load

NAME = "dynamical_linear_bandit"
A = np.array([[0.38, 0.33, 0.6], [0.07, 0.76, -0.54], [0.18, 0.34, 0.05]])
B = np.array([[0.14, 0.34, -0.05], [-0.17, 0.03, -0.01], [0.04, -0.09, 0.17]])
C = np.array([[0.25, -0.14, 0.01], [-0.55, 0.2, -0.13], [-0.31, -0.1, -0.01]])
D = np.array([[0.11, 0.1, 0.01], [0.01, 0.36, 0.01], [0.01, -0.05, 0.0]])
SYNTHETIC: dict[str, Any] = {
    "transition": [0.2, 0, 0, 0, 0, 0, 0, 0, 0.1],
    "control": [0.45, 0, 0, 0, 0, 0, 0, 0, 0.1],
    "readout": [1.0, 0, 0, 0, 0, 0, 0, 0, 0.1],
    "direct": [0.0, 0, 0, 0, 0.5, 0, 0, 0, 0.1],
}


class TestDynamicalLinearBandit(WorldTests):
    name = NAME
    capabilities = ("reset_to",)

    def test_start_depends_on_the_seed_alone(self):
        """All starts look alike, so the first rewards are compared."""
        batch, other = load(NAME).make(3), load(NAME).make(1)
        batch.reset(seed=[7, 8, 7])
        other.reset(seed=[8])
        together = batch.step(np.zeros(3, int))[1]
        alone = other.step(np.zeros(1, int))[1]
        assert together[0] == together[2] != together[1] == alone[0]

    def test_set_params_changes_physics_and_returns(self):
        """It has no such capability, and says so."""
        with pytest.raises(RefusedError, match="which has no set_params"):
            require(load(NAME).make(1), "set_params")


def test_a_step_is_the_papers():
    """Rewards of the state before the arm moves it; matrices as published."""
    world = load(NAME, sigma=0.0)
    orders = sorted(set(permutations((1.0, 0.5, 0.0))), reverse=True)
    assert world.system.arms.tolist() == [list(order) for order in orders]
    batch, plan = world.make(1), actions(world, 50, 1)[:, 0]
    first, _ = batch.reset(seed=[3])
    assert first.tolist() == [[0.0]]
    x = np.zeros(3)
    for arm in plan:
        u = np.array(orders[arm])
        y = (C @ x + D @ u).sum()
        x = A @ x + B @ u
        seen, reward, *_ = batch.step(np.array([arm]))
        assert reward[0] == pytest.approx(y, abs=1e-12)
        assert seen[0, 0] == np.float32(reward[0])
        np.testing.assert_allclose(batch.state()["x"][0], x, atol=1e-12)


def test_noise_has_the_variance_of_three_channels():
    world = load(NAME, sigma=0.1)
    rewards = world.stream([5]).hold(np.array([0]), 4000)[0, 50:]
    still = load(NAME, sigma=0.1, readout=[0.0] * 9)
    alone = still.stream([5]).hold(np.array([0]), 4000)[0]
    assert alone.std() == pytest.approx(0.1 * np.sqrt(3), rel=0.05)
    assert rewards.std() > alone.std()  # the state's noise is seen, too


@pytest.mark.parametrize(
    ("changed", "effect", "best", "rho"),
    [
        ({}, [0.2515, -0.0363, 0.1061], 0.3046, 0.6669),
        (SYNTHETIC, [0.5625, 0.5, 0.1111], 0.8125, 0.2),
    ],
)
def test_the_optimum_is_the_steady_state(
    changed: dict[str, Any], effect: list[float], best: float, rho: float
):
    """As computed, as held for long, and as published."""
    world = load(NAME, sigma=0.0, **changed)
    exact = require(world, "exact")()
    np.testing.assert_allclose(world.system.effect, effect, atol=1e-4)
    assert world.system.rho == pytest.approx(rho, abs=1e-4)
    assert exact.optimum == pytest.approx(best, abs=1e-4)
    for k in range(6):
        held = world.stream([0]).hold(np.array([k]), 400)[0]
        table = np.array([k])
        assert exact.value(table) == pytest.approx(held[-1], abs=1e-9)
        assert exact.regret(table) == pytest.approx(exact.optimum - held[-1], abs=1e-9)
    assert min(exact.regret(np.array([k])) for k in range(6)) == 0
    assert exact.observations().tolist() == [[0.0]]
    for wrong in (np.array([6]), np.array([-1]), np.array([0, 0])):
        with pytest.raises(ValueError, match="of 6|states"):
            exact.regret(wrong)


def test_powers_that_grow_first_are_bounded():
    """Phi of the published system, and of one whose powers vanish in float64."""
    assert load(NAME).system.phi == pytest.approx(2.78, abs=0.01)
    tiny = [1e-5, 0, 0, 0, 1e-6, 0, 0, 0, 1e-6]
    assert load(NAME, transition=tiny).system.phi == pytest.approx(1)
    assert load(NAME, transition=[0.0] * 9).system.phi == 1


def test_a_copy_of_the_stream_is_the_same_alone():
    """Also over the border of a block of noise."""
    world = load(NAME)
    together = world.stream([4, 5, 6]).hold(np.array([0, 3, 1]), BLOCK + 10)
    alone = world.stream([5]).hold(np.array([3]), BLOCK + 10)
    assert together[1].tobytes() == alone[0].tobytes()
    batch = world.make(1)
    batch.reset(seed=[5])
    played = [batch.step(np.array([3]))[1][0] for _ in range(20)]
    assert played == alone[0, :20].tolist()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"transition": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]}, "transition: .*radius of 1"),
        ({"transition": [0.5] * 8}, "transition: found 8 numbers, expected 4"),
        ({"control": []}, "control: found 0 numbers"),
        ({"direct": [0.1] * 8}, "direct: found 8 numbers, expected 9"),
        ({"budget": 3.5}, "budget: found 3.5, expected at most 3"),
        ({"budget": 0.0}, "budget: found 0.0"),
        ({"sigma": -0.1}, "sigma: found -0.1"),
        (
            {
                "control": [0.1] * 60,
                "direct": [0.1] * 60,
                "budget": 8.5,
            },
            "control: found 1.51164e.06 numbers to solve it, expected at most 10000",
        ),
    ],
)
def test_what_is_no_such_world_is_refused(changed: dict[str, Any], said: str):
    with pytest.raises(RefusedError, match=said):
        load(NAME, **changed)
