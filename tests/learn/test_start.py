"""Where a run begins: from a policy with its critics, and refusals of others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.learn import Chance
from tasks.learn.dqn import DQN
from tasks.learn.engine.parts import spaces
from tasks.learn.engine.start import read_start
from tasks.learn.sac import SAC
from tasks.worlds import World
from tests.learn.online import make
from tests.learn.starts import PLACE, offline
from tests.worlds.harness import load

WIDTHS = {"actor_hidden": [8], "critic_hidden": [8, 5]}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harnessed = load("pendulum"), load("cartpole")  # read from params/ of the project
    WORLDS.update(zip(("pendulum", "cartpole"), harnessed, strict=True))
    monkeypatch.chdir(tmp_path)


WORLDS: dict[str, World] = {}


def begun(name: str, start: str, seeds: tuple[int, ...] = (1,), **block: Any) -> Any:
    """A learner that has begun from a policy, its spaces as the start says."""
    world = WORLDS["pendulum" if name == "sac" else "cartpole"]
    cls: Any = {"sac": SAC, "dqn": DQN}[name]
    found = read_start("tiny", name, cls, start)
    of = found.spaces(spaces(world))
    learner = make(name, world, seeds, 90, spaces=of, **block)
    found.begin(learner, make(name, world, seeds[:1], 90, spaces=of, **block))
    return learner


def test_sac_begins_with_the_actor_and_critics_of_sac_n():
    asked: dict[str, Any] = {"members": 2, "normalise": "observations", **WIDTHS}
    trained = offline("sac_n", WORLDS["pendulum"], 2.0, 3.0, **asked)
    both, alone = (begun("sac", "sac_n", s, **WIDTHS) for s in ((3, 1), (1,)))
    assert both.started
    o = torch.randn(2, 5, 3)
    a = torch.randn(2, 5, 1)
    assert torch.equal(both.policy()(o), trained.policy()(o))
    assert torch.equal(alone.policy()(o[1:]), trained.policy()(o)[1:])
    x = (o - both.spaces.observation_mean) / both.spaces.observation_std
    assert (both.spaces.observation_mean == 2).all()
    for critics in (both.critics, both.target):
        assert torch.equal(critics(x, a), trained.critics(x, a))
    assert torch.equal(alone.target(x[1:], a[1:]), trained.critics(x, a)[1:])
    before = both.target.net.layers[0].weight.clone()
    both.critics.net.layers[0].weight.data += 1
    assert torch.equal(both.target.net.layers[0].weight, before)


def test_dqn_begins_with_the_values_of_discrete_cql():
    trained = offline("discrete_cql", WORLDS["cartpole"], critic_hidden=[8])
    learner = begun("dqn", "discrete_cql", (3, 1), critic_hidden=[8])
    o = torch.randn(2, 5, 4)
    for net in (learner.q, learner.target):
        assert torch.equal(net.logits(o), trained.q.logits(o))


def test_the_warm_up_is_the_policys_own():
    offline("sac_n", WORLDS["pendulum"], members=2, **WIDTHS)
    learner = begun("sac", "sac_n", (3, 1), **WIDTHS)
    o, g = torch.randn(2, 4, 3), np.random.default_rng(1)
    uniform = g.random((2, 4, 2), np.float32)
    chance = Chance(g.standard_normal((2, 4, 1), np.float32), uniform)
    with torch.no_grad():
        action = learner.act(o, None, chance, 0)
        own = learner.policy()(o, torch.from_numpy(chance.normal))
    torch.testing.assert_close(2 * action, own)  # the world's bounds are -2 and 2
    learner.started = False
    assert torch.equal(
        learner.act(o, None, chance, 0), torch.from_numpy(2 * uniform[..., :1] - 1)
    )


@pytest.mark.parametrize(
    ("block", "start", "seeds", "message"),
    [
        ({"members": 3}, {}, (1,), r"critic.members: found 3, expected 2"),
        ({"critic_hidden": [8]}, {}, (1,), r"critic.json: critic.layers"),
        ({"actor_hidden": [9]}, {}, (1,), r"policy.json: policy.layers"),
        ({}, {}, (3, 4), r"origin.seeds: found \[3, 1\], expected 4 among them"),
    ],
)
def test_other_networks_and_seeds_are_refused(
    block: Any, start: Any, seeds: Any, message: str
):
    offline("sac_n", WORLDS["pendulum"], **{"members": 2, **WIDTHS, **block})
    with pytest.raises(RefusedError, match=message):
        begun("sac", "sac_n", seeds, **{**WIDTHS, **start})


def test_a_policy_without_critics_is_refused():
    offline("sac_n", WORLDS["pendulum"], members=2, **WIDTHS)
    (PLACE / "sac_n/critic.json").unlink()
    with pytest.raises(RefusedError, match="found nothing, expected the policy's cri"):
        begun("sac", "sac_n", **WIDTHS)


def test_a_learner_it_cannot_follow_is_refused():
    offline("iql", WORLDS["pendulum"])
    with pytest.raises(
        RefusedError,
        match=r"iql, a policy of train.iql, expected one of learn.sac, train.sac_n, ",
    ):
        begun("sac", "iql")


def test_a_policy_of_another_world_is_refused():
    offline("sac_n", load_bounds(), members=2, **WIDTHS)
    with pytest.raises(RefusedError, match="policy.action_scale: .* the world's"):
        begun("sac", "sac_n", **WIDTHS)


def load_bounds() -> World:
    """The pendulum with a weaker motor."""
    world: Any = type("Weak", (), {})()
    space = WORLDS["pendulum"].action_space
    world.observation_space = WORLDS["pendulum"].observation_space
    world.action_space = type(space)(space.low / 2, space.high / 2)
    world.discrete, world.masked = False, False
    return world  # type: ignore[no-any-return]
