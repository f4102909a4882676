"""Online training and measuring in discrete worlds."""

from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.actions import action_bounds
from tasks.behaviors.engine import online
from tasks.behaviors.engine.measure import measure, random_return, visited
from tasks.behaviors.engine.online import Replay, run
from tasks.train import Spaces
from tasks.train.dqn import DQN, DQNParams
from tasks.worlds import World
from tests.train import harness
from tests.worlds.harness import load


def dqn(world: World, seeds: tuple[int, ...], **changed: Any) -> DQN:
    harness.settle()
    width = world.observation_space.shape[0]
    bounds = map(torch.from_numpy, action_bounds(world.action_space))
    ends = (torch.zeros(width), torch.ones(width), *bounds)
    spaces = Spaces(*ends, world.discrete, world.masked)
    block = harness.block("dqn", critic_hidden=[8], **changed)
    return DQN(DQNParams.parse(block, "train.dqn"), spaces, seeds, 200)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Replay]:
    found: list[Replay] = []

    class Kept(Replay):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            found.append(self)

    monkeypatch.setattr(online, "Replay", Kept)
    return found


def test_what_is_stored_is_what_happened(kept: list[Replay]):
    world = load("taxi", max_steps=30)
    list(run(dqn(world, (0, 1)), world, 120, 20, 8, 1))
    o, a, r, o2, terminated, legal = np.split(kept[0].rows[0], kept[0].cuts, axis=-1)
    table = {row.tobytes(): s for s, row in enumerate(world.table)}
    places, after = ([table[row.tobytes()] for row in x] for x in (o, o2))
    chosen = a.argmax(1)
    assert (a.sum(1) == 1).all()
    assert (world.legal[places, chosen] == 1).all()
    assert np.array_equal(world.after[places, chosen], after)
    assert np.array_equal(world.rewards[places, chosen], r[:, 0])
    assert np.array_equal(legal, world.legal[after])
    assert not terminated.any()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_epsilon_is_the_share_of_random_actions(share: float, kept: list[Replay]):
    world = load("cartpole", max_steps=30)
    learner = dqn(world, (3,), epsilon_start=share, epsilon_end=share)
    list(run(learner, world, 150, 50, 8, 0.0001))  # almost untrained
    o, a, *_ = np.split(kept[0].rows[0, 60:], kept[0].cuts, axis=-1)
    with torch.no_grad():
        best = learner.policy()(torch.from_numpy(o)[None])[0].numpy()
    same = (best == a.argmax(1)).mean()
    assert same == 1 if share == 0 else 0.25 < same < 0.75


def test_a_seed_alone_is_the_seed_in_a_stack():
    world = load("cartpole", max_steps=30)
    ends = []
    for seeds in ((5, 3), (3,)):
        learner = dqn(world, seeds, critic_rate=0.01)
        returns = [
            finished[-1] for _, finished, _ in run(learner, world, 90, 30, 8, 0.5)
        ]
        ends.append((returns, [p[-1].detach() for p in learner.parameters()]))
    np.testing.assert_allclose(ends[0][0], ends[1][0])
    for stacked, alone in zip(ends[0][1], ends[1][1], strict=True):
        torch.testing.assert_close(stacked, alone, atol=1e-5, rtol=0)


def test_measuring_is_greedy_and_legal():
    world = load("taxi", max_steps=30)
    policy = dqn(world, (0, 1)).policy()
    one, again = (measure(world, policy, 1, 4) for _ in range(2))
    assert np.array_equal(one.returns, again.returns)
    assert (one.returns >= -30 - 9 * 30).all()
    assert visited(world, policy, 0, 50).shape == (50, 19)


def test_the_random_policy_keeps_to_the_mask():
    """No pick-up where nobody waits: without the mask a third of the steps cost 10."""
    played = random_return(load("taxi", max_steps=100), 10)
    assert played.returns.mean() > -130
    assert random_return(load("cartpole"), 20).returns.mean() == pytest.approx(
        22, abs=6
    )
