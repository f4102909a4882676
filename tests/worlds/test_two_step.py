"""The two-step world: its rewards, and the three policies known by hand."""

import gymnasium
import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tasks.worlds.cores.stock import best_cvar, cvar, mean, solve
from tests.worlds.harness import load


def test_it_pays_what_it_says():
    batch = load("two_step").make(4000)
    first, _ = batch.reset(seed=list(range(4000)))
    assert (first == 0).all()
    seen, reward, terminated, *_ = batch.step(np.arange(4000) % 2)
    assert set(reward) == {-4.0, 0.0}
    assert abs((reward == 0).mean() - 0.5) < 0.03
    assert (seen == 1).all()  # whatever was lost
    assert not terminated.any()
    _, reward, terminated, *_ = batch.step(np.repeat([0, 1], 2000))
    assert terminated.all()
    assert set(reward[:2000]) == {-2.9}
    assert set(reward[2000:]) == {-1.0, -6.0}
    assert abs((reward[2000:] == -6).mean() - 0.2) < 0.03


def test_a_recorded_environment_steps_alike():
    world = load("two_step")
    env, batch = gymnasium.make(world.env_spec()), world.make(1)
    for seed in range(20):
        ours, _ = batch.reset(seed=[seed])
        theirs, _ = env.reset(seed=seed)
        assert np.array_equal(ours[0], theirs)
        for action in (0, 1):
            ours, reward, ended, *_ = batch.step(np.array([action]))
            theirs, same, over, *_ = env.step(action)
            assert np.array_equal(ours[0], theirs)
            assert (reward[0], ended[0]) == (same, over)
        kept = batch.state()
        batch.reset(seed=[seed])
        assert batch.reset_to(kept).tolist() == [[2, 1]]


def test_the_three_policies_of_the_worst_half():
    """Safe always -6.9, risky always -6.2, and by stock -6.0 from a start of 5."""
    world = load("two_step")
    start, table = best_cvar(world, 0.5)
    assert start == pytest.approx(5)
    law = table.law(start)
    assert cvar(law, 0.5) == pytest.approx(-6.0)
    after = {held: int(table.actions[1, 1, table.at(start + held)]) for held in (-4, 0)}
    assert after == {-4: 1, 0: 0}
    chances = {-10.0: 0.1, -5.0: 0.4, -2.9: 0.5}
    assert {round(k, 6): v for k, v in law.items()} == pytest.approx(chances)
    risky = solve(world, lambda x: x).law(0.0)
    assert (cvar(risky, 0.5), mean(risky)) == pytest.approx((-6.2, -4.0))
    safe = {-6.9: 0.5, -2.9: 0.5}
    assert cvar(safe, 0.5) == pytest.approx(-6.9)
    # of the worst tenth nothing is gained by a stock: safe after -4 is best
    _, table = best_cvar(world, 0.1)
    assert cvar(table.law(6.9), 0.1) == pytest.approx(cvar(safe, 0.1))


def test_its_optimum_is_the_risky_mean():
    exact = require(load("two_step"), "exact")()
    assert exact.sizes == (3, 2)
    assert exact.optimum == pytest.approx(-4)
    assert exact.regret(np.ones(6, np.int64)) == pytest.approx(0)
    assert exact.regret(np.zeros(6, np.int64)) == pytest.approx(0.9)
    assert load("two_step").params.ref_max == exact.optimum


def test_a_process_too_large_to_solve_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasks.worlds.cores.stock.MOST", 100)
    with pytest.raises(RefusedError, match="numbers to solve it, expected at most 100"):
        solve(load("two_step"), lambda x: x)
