"""BC and IQL of discrete actions, and which learner fits which actions."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.code.blocks import checked
from tasks.train.engine.learners import check_kind, fitting
from tasks.train.engine.minibatches import batches

from . import harness
from .choose import choices, walk_return

DATA = choices()


def likelihood(ref: harness.Reference, legal: torch.Tensor) -> torch.Tensor:
    """Log of the share of the logged action among the allowed ones, (B,)."""
    z = ref.net("actor", ref.o)
    share = (z.exp() * ref.a).sum(1) / (z.exp() * legal.double()).sum(1)
    return share.log()


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("name", ["bc", "bc10"])
def test_a_step_of_cloning_is_the_masked_cross_entropy(name: str, k: int):
    learner = harness.make(name, data=DATA)
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)
    legal = batch.columns["legal"][k]
    ref.step(("actor",), -likelihood(ref, legal).mean(), 3e-4)
    ref.check()


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_of_iql_is_the_equations(k: int):
    learner = harness.make("iql", data=DATA)
    with torch.no_grad():
        for parameter in learner.target.parameters():
            parameter.mul_(1.3).add_(0.1)
        for parameter in learner.value.parameters():
            parameter.mul_(2)
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    step = 3
    learner.update(batch, step)

    def q(name: str) -> list[torch.Tensor]:
        return [(ref.net(f"{name}.net", ref.o, e) * ref.a).sum(1) for e in (0, 1)]

    v2 = ref.net("value", ref.o2)[:, 0].detach()
    adv = torch.minimum(*q("target")).detach() - ref.net("value", ref.o)[:, 0]
    weight = torch.where(adv < 0, 0.3, 0.7)
    ref.step(("value",), (weight * adv**2).mean(), 3e-4)
    y = ref.r + 0.99 * (1 - ref.d) * v2
    one, two = q("critics")
    ref.step(
        ("critics",), (((one - y) ** 2).mean() + ((two - y) ** 2).mean()) / 2, 3e-4
    )
    ref.polyak("target", "critics", 0.005)
    weight = (3 * adv.detach()).exp().clamp(max=100)
    loss = -(weight * likelihood(ref, batch.columns["legal"][k])).mean()
    rate = 3e-4 * 0.5 * (1 + math.cos(math.pi * step / 10))
    ref.step(("actor",), loss, rate)
    ref.check()


def test_a_gaussian_iql_is_categorical_too():
    learner = harness.make("iql", data=DATA, policy="gaussian")
    assert learner.policy().head == "categorical"
    learner.update(harness.random_batch(learner), 0)


@pytest.mark.parametrize("name", ["bc", "iql"])
def test_seeds_and_resuming(name: str, tmp_path: Path):
    harness.check_seed_alone(name, data=DATA, actor_rate=0.01)
    harness.check_resume(name, tmp_path, data=DATA)


def test_the_masks_reach_the_batch_beside_their_rows():
    learner = harness.make("discrete_cql", data=DATA)
    batch = batches(learner, DATA, 16)(0)
    legal, after = (batch.columns[name] for name in ("legal", "next_legal"))
    assert ((legal * batch.action).sum(-1) == 1).all()
    rows = {tuple(row) for row in DATA.next_legal.tolist()}
    assert {tuple(row) for row in after.flatten(0, 1).tolist()} <= rows
    assert not torch.equal(legal, after)


def test_iql_beats_bc_at_walking():
    """Random choices: cloning them stays about there, IQL finds the middle."""
    kept = {"actor_rate": 3e-3}
    bc = walk_return("bc", 200, **kept)
    iql = walk_return(
        "iql", 600, critic_rate=3e-3, reward_scale="none", beta=20.0, **kept
    )
    assert iql > bc + 0.1
    assert iql > -0.4


def test_who_fits_what():
    assert {"bc", "iql", "discrete_cql"} <= set(fitting("discrete"))
    assert {"bc", "iql", "td3_bc"} <= set(fitting("continuous"))
    assert "td3_bc" not in fitting("discrete")
    assert "discrete_cql" not in fitting("continuous")
    assert (fitting("discrete", "learn"), fitting("continuous", "learn")) == (
        ["dqn", "stock_augmented", "stream_x"],
        ["dsac_t", "sac", "stream_x"],
    )


@pytest.mark.parametrize(
    ("name", "discrete", "fit"),
    [("td3_bc", True, "bc, .*discrete_cql"), ("discrete_cql", False, "bc, .*td3_bc")],
)
def test_the_others_are_refused_and_the_fitting_named(
    name: str, discrete: bool, fit: Any
):
    with pytest.raises(RefusedError, match=f"train.{name}.*{fit}"):
        check_kind(name, harness.block(name), discrete, "some_data")
    check_kind("iql", harness.block("iql"), discrete, "some_data")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("bc2", "tasks.train.bc.BC"),  # the name of no method
        ("bc", "tasks.train.iql.IQL"),  # the class of another
        ("bc", "tasks.train.bc.BCParams"),  # a class that is no learner
        ("bc", "tasks.beds.qdc_metrics.arms.Behaviour"),
        ("cores", "tasks.train.cores.cloning.Cloning"),
        ("bc", ""),
    ],
)
def test_what_is_no_method_of_the_room_is_refused(name: str, target: str):
    block = harness.block("bc") | {"_target_": target}
    with pytest.raises(RefusedError, match=f"train.{name}"):
        checked({"train": {name: block}}, "train", name)
    for method in ("bc", "cql"):
        block = harness.block(method)
        assert checked({"train": {method: block}}, "train", method) == block
