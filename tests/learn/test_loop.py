"""The online loop: what it stores, that a seed's run is its own, and kills."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.learn.engine.worlds import APART, FIRST_START
from tasks.worlds import World, require
from tests.learn.online import dqn, dsac_t, rows, run, sac
from tests.learn.test_mixed import data as rows_of_a_dataset
from tests.worlds.harness import load


def pendulum() -> World:
    return load("pendulum", max_steps=30)


def test_ends_are_stored_as_what_they_are(tmp_path: Path):
    """Terminated where the world says so; a time limit is none; no row spans two."""
    world = load("hopper", max_steps=14)
    learner = sac(world, (0, 1), 120, warm_up=200)
    run(learner, world, tmp_path)
    limits = falls = 0
    for o, a, _, o2, terminated in zip(*rows(tmp_path, learner, 120), strict=True):
        fallen = require(world, "termination_fn")(o, a, o2)
        assert np.array_equal(terminated[:, 0].astype(bool), fallen)
        broken = (o[1:] != o2[:-1]).any(1)
        assert broken[fallen[:-1]].all()
        limits += int((broken & ~fallen[:-1]).sum())
        falls += int(fallen.sum())
        assert np.abs(a).max() <= 1
    assert falls
    assert limits


def test_what_is_stored_is_what_happened(tmp_path: Path):
    world = load("taxi", max_steps=30)
    learner = dqn(world, (0, 1), 120)
    run(learner, world, tmp_path)
    o, a, r, o2, terminated, legal = (x[0] for x in rows(tmp_path, learner, 120))
    table = {row.tobytes(): s for s, row in enumerate(world.table)}
    places, after = ([table[row.tobytes()] for row in x] for x in (o, o2))
    chosen = a.argmax(1)
    assert (a.sum(1) == 1).all()
    assert (world.legal[places, chosen] == 1).all()
    assert np.array_equal(world.after[places, chosen], after)
    assert np.array_equal(world.rewards[places, chosen], r[:, 0])
    assert np.array_equal(legal, world.legal[after])
    assert not terminated.any()


def test_returns_are_of_whole_episodes_from_their_own_starts(tmp_path: Path):
    world = pendulum()
    learner = sac(world, (3,), 60, warm_up=40)
    curves = run(learner, world, tmp_path)
    _, a, r, *_ = (x[0] for x in rows(tmp_path, learner, 60))
    totals = []
    for episode in (0, 1):
        env = world.make(1)
        env.reset(seed=[FIRST_START + 3 * APART + episode])
        mine = slice(30 * episode, 30 * episode + 30)
        rewards = [env.step(2 * x[None])[1][0] for x in a[mine]]
        np.testing.assert_allclose(r[mine, 0], rewards, rtol=1e-5)
        totals.append(sum(rewards))
    last = dict(zip(curves.columns, curves.rows[-1], strict=True))
    assert last["return"] == pytest.approx(np.mean(totals), rel=1e-5)
    assert last["update"] == 60


def test_the_share_of_updates_begins_after_the_warm_up(tmp_path: Path):
    world, updates = pendulum(), list[int]()
    learner = sac(world, (3,), 50, warm_up=40)
    before = [p.detach().clone() for p in learner.parameters()]
    real = learner.update

    def counted(batch: Any, step: int) -> Any:
        if not updates:
            unchanged = zip(before, learner.parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in unchanged)
        assert batch.observation.shape == (1, 8, 3)
        updates.append(step)
        return real(batch, step)

    learner.update = counted
    run(learner, world, tmp_path)
    assert updates == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("worlds", [1, 2])
def test_an_episode_that_ends_brings_updates(worlds: int, tmp_path: Path):
    """Of 20 steps each; those that end in the warm-up bring none."""
    world, at = load("pendulum", max_steps=20), list[tuple[int, int]]()
    asked = {"updates_per_step": 0.0, "updates_per_episode": 3, "worlds": worlds}
    learner = sac(world, (3,), 100, warm_up=50, **asked)
    steps, real, act = list[int](), learner.update, learner.act
    learner.act = lambda *a: steps.append(a[-1]) or act(*a)

    def update(batch: Any, step: int) -> Any:
        at.append((steps[-1] + worlds, step))
        return real(batch, step)

    learner.update = update
    run(learner, world, tmp_path)
    ends = [60, 80, 100] if worlds == 1 else [80, 80]
    done = [end for end in ends for _ in range(3)]
    assert at == list(zip(done, range(len(done)), strict=True))


def test_updates_that_cannot_be_are_refused(tmp_path: Path):
    world = load("pendulum", max_steps=200)
    none = {"updates_per_step": 0.0}
    with pytest.raises(RefusedError, match=r"updates_per_step: found 0.0, expected mo"):
        sac(world, (3,), **none)
    learner = sac(world, (3, 1), updates_per_episode=1, **none)
    with pytest.raises(ValueError, match="several seeds in one stack"):
        run(learner, world, tmp_path / "two")


@pytest.mark.parametrize("worlds", [1, 3])
@pytest.mark.parametrize("make", [sac, dqn])
def test_a_seed_alone_is_the_seed_in_a_stack(make: Any, worlds: int, tmp_path: Path):
    world = pendulum() if make is sac else load("cartpole", max_steps=30)
    both, alone = (make(world, seeds, worlds=worlds) for seeds in ((5, 3), (3,)))
    returns = [
        [row[2] for row in run(learner, world, tmp_path / str(i)).rows if row[1] == 3]
        for i, learner in enumerate((both, alone))
    ]
    assert returns[0]
    np.testing.assert_allclose(*returns, rtol=1e-4)
    pairs = zip(both.policy().parameters(), alone.policy().parameters(), strict=True)
    for stacked, own in pairs:
        torch.testing.assert_close(stacked[1:], own, atol=1e-5, rtol=0)
        assert not torch.allclose(stacked[:1], own, atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_epsilon_is_the_share_of_random_actions(share: float, tmp_path: Path):
    world = load("cartpole", max_steps=30)
    fixed = {"epsilon_start": share, "epsilon_end": share, "updates_per_step": 1e-4}
    learner = dqn(world, (3,), 150, **fixed)  # almost untrained
    run(learner, world, tmp_path)
    o, a, *_ = (x[0, 60:] for x in rows(tmp_path, learner, 150))
    with torch.no_grad():
        best = learner.policy()(torch.from_numpy(o)[None])[0].numpy()
    same = (best == a.argmax(1)).mean()
    assert same == 1 if share == 0 else 0.25 < same < 0.75


class KilledError(Exception):
    """In place of a signal."""


def mixed(world: World, seeds: tuple[int, ...], **more: Any) -> Any:
    """Half of each batch from a dataset, and a state to begin from."""
    learner = sac(world, seeds, data_share=0.5, **more)
    learner.started = True
    with torch.no_grad():
        learner.log_temperature.fill_(-1)
    return learner


def episodic(world: World, seeds: tuple[int, ...], **more: Any) -> Any:
    """Updates when an episode ends, and some between."""
    own = {"updates_per_step": 0.1, "updates_per_episode": 3, "record": True}
    return sac(world, seeds[:1], **own, **more)


@pytest.mark.parametrize("kill", [29, 31, 57, 88, 89])
@pytest.mark.parametrize("make", [sac, dqn, dsac_t, mixed, episodic])
def test_killed_at_any_step_it_ends_with_the_same_bits(
    make: Any, kill: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    world = load("taxi" if make is dqn else "hopper", max_steps=20)
    more = {"data": rows_of_a_dataset(world)} if make is mixed else {}
    whole = make(world, (0, 1), replay=40)
    curves = run(whole, world, tmp_path / "whole", **more)
    cut = make(world, (0, 1), replay=40)
    acts, real = list[int](), cut.act

    def act(*arguments: Any) -> Any:
        acts.append(arguments[-1])
        if len(acts) > kill:
            raise KilledError
        return real(*arguments)

    monkeypatch.setattr(cut, "act", act)
    with pytest.raises(KilledError):  # with a checkpoint each 10 steps at least
        run(cut, world, tmp_path / "cut", **more)
    again = make(world, (0, 1), replay=40)
    resumed = run(again, world, tmp_path / "cut", **more)
    assert resumed.csv() == curves.csv()
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, again.tensors()[name]), name
    if make is episodic:
        did = [tmp_path / place / "actions" for place in ("whole", "cut")]
        assert did[0].read_bytes() == did[1].read_bytes()
    shutil.rmtree(tmp_path / "cut")


def test_a_world_that_does_not_repeat_itself_is_refused(tmp_path: Path):
    world = pendulum()
    learner = sac(world, (0,), 80)

    def stop(done: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        run(learner, world, tmp_path, every=0, moments=[75], keep=stop)
    real = world.make

    class Other(type(real(1))):  # type: ignore[misc]
        def _reset_one(self, i: int, seed: int) -> None:
            super()._reset_one(i, seed + 1)

    world.make = lambda n: Other(world, n)  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="a world that repeats itself"):
        run(sac(world, (0,), 80), world, tmp_path)


def test_steps_that_worlds_cannot_share_are_refused(tmp_path: Path):
    world = pendulum()
    learner = sac(world, (0,), 100, worlds=3)
    with pytest.raises(RefusedError, match=r"learn.sac.worlds.*3, where 100 steps"):
        run(learner, world, tmp_path)
