"""The engine: batches, curves, checkpoints, refusals, and the command."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.nets.optimisers import adam
from tasks.train import Batch
from tasks.train.bc import BC
from tasks.train.engine.loop import identity, train
from tasks.train.engine.minibatches import BLOCK, Sampler
from tasks.train.engine.table import pack, spaces

from . import harness

KILLS = 3


def test_batches_are_rows_of_the_data():
    data = harness.transitions()
    learner = harness.make("td3_bc")
    batch = Sampler(pack(learner, data), learner, 16)(BLOCK + 3)
    o = (data.observation - 1) / 2
    for k in (0, 1):
        for i in range(16):
            row = int(np.abs(o - batch.observation[k, i].numpy()).sum(1).argmin())
            world = [1, 4] + batch.action[k, i].numpy() * [1, 2]
            after = batch.next_observation[k, i].numpy() * 2 + 1
            assert o[row] == pytest.approx(batch.observation[k, i].numpy(), abs=1e-6)
            assert world == pytest.approx(data.action[row], abs=1e-5)
            assert after == pytest.approx(data.next_observation[row], abs=1e-5)
            assert batch.reward[k, i] == data.reward[row]
            assert batch.terminated[k, i] == data.terminated[row]


def test_batches_depend_on_seed_and_step_alone():
    table = pack(harness.make("td3_bc"), harness.transitions())
    stack = Sampler(table, harness.make("td3_bc", (3, 1)), 16)
    alone = Sampler(table, harness.make("td3_bc", (1,)), 16)
    later = Sampler(table, harness.make("td3_bc", (1,)), 16)(2 * BLOCK + 5)
    noises = set()
    for step in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 5):
        both, one = stack(step), alone(step)
        assert torch.equal(both.observation[1], one.observation[0])
        assert torch.equal(both.noise["target"][1], one.noise["target"][0])
        assert not torch.equal(both.observation[0], both.observation[1])
        assert not torch.equal(both.noise["target"][0], both.noise["target"][1])
        noises.add(one.noise["target"].numpy().tobytes())
    assert len(noises) == 5
    assert torch.equal(one.observation, later.observation)
    assert torch.equal(one.noise["target"], later.noise["target"])


def test_rows_are_uniform_and_noise_is_normal():
    learner = harness.make("td3_bc", (0,))
    sample = Sampler(pack(learner, harness.transitions(50)), learner, 64)
    noise, counts = [], np.zeros(50)
    for step in range(2 * BLOCK):
        noise.append(sample(step).noise["target"].flatten())
        counts += np.bincount(sample.index[step % BLOCK], minlength=50)
    drawn = torch.cat(noise)
    assert abs(drawn.mean()) < 0.02
    assert drawn.std() == pytest.approx(1, abs=0.02)
    share = counts / counts.sum() * 50
    assert share.min() > 0.8
    assert share.max() < 1.2


def test_noise_only_for_names_asked_for():
    learner = harness.make("iql")
    assert Sampler(pack(learner, harness.transitions()), learner, 4)(0).noise == {}


def test_a_truncated_step_bootstraps_in_the_table():
    data = harness.transitions(4, terminated=np.array([0, 1, 0, 0], np.float32))
    table = pack(harness.make("bc"), data)  # steps 1 and 3 end episodes
    assert table[:, harness.O + harness.A + 1].tolist() == [0, 1, 0, 0]
    after = (data.next_observation - 1) / 2
    np.testing.assert_allclose(table[:, -harness.O :], after, rtol=1e-6)


@pytest.mark.parametrize("name", ["observation", "reward", "next_observation"])
def test_data_that_is_not_finite_is_refused(name: str):
    data = harness.transitions()
    getattr(data, name)[17] = np.nan
    with pytest.raises(RefusedError, match="tiny-v0: rows: found a number in row 17"):
        train(harness.make("bc"), data, 1, batch=4)


def test_an_action_out_of_bounds_is_refused():
    data = harness.transitions()
    data.action[3, 1] = 6.1
    with pytest.raises(RefusedError, match=r"found 1\.05 scaled, expected \[-1, 1\]"):
        train(harness.make("bc"), data, 1, batch=4)


class Scripted(BC):
    """BC whose metric is step + 1000 x seed, not a number at one point."""

    bad: tuple[int, int] | None = None

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """One BC update, another metric."""
        super().update(batch, step)
        metric = torch.tensor([step + 1000.0 * seed for seed in self.seeds])
        if self.bad and self.bad[0] == step:
            metric[self.bad[1]] = torch.nan
        return {"metric": metric}


def scripted(**class_attributes: Any) -> Scripted:
    params = harness.make("bc").Parameters.parse(harness.block("bc"), "train.bc")
    learner = Scripted(params, spaces(harness.transitions()), (3, 1), 450)
    for name, value in class_attributes.items():
        setattr(learner, name, value)
    return learner


def test_curves_hold_means_since_the_last_log():
    reports = []
    curves = train(
        scripted(),
        harness.transitions(),
        450,
        batch=4,
        report=lambda done, metrics: reports.append((done, metrics["metric"])),
    )
    lines = curves.csv().splitlines()
    assert lines[:3] == ["update,seed,metric", "4,3,3001.5", "4,1,1001.5"]
    assert lines[-2:] == ["450,3,3448.5", "450,1,1448.5"]
    assert len(lines) == 1 + 2 * 113
    assert reports[0] == (4, 2001.5)


def test_nan_stops_and_keeps_the_last_good_state(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path / "state")
    for _ in ("first", "resumed"):
        with pytest.raises(RefusedError) as refused:
            train(
                scripted(bad=(33, 1)),
                harness.transitions(),
                450,
                batch=4,
                checkpoint=checkpoint,
                every=0,
            )
        assert "not finite at update 33 of seed 1" in str(refused.value)
        assert refused.value.where.startswith("train.")
        assert refused.value.field == "metric"
        state = checkpoint.load()
        assert state is not None
        assert state.step == 32
        assert all(tensor.isfinite().all() for tensor in state.tensors.values())


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    learner = scripted()

    def break_weights(done: int, metrics: dict[str, float]) -> None:
        if done == 40:
            learner.actor.layers[1].bias.data[1, 0, 0] = torch.inf

    checkpoint = Checkpoint(tmp_path / "state")
    with pytest.raises(RefusedError, match="at update 40 of seed 1") as refused:
        train(
            learner,
            harness.transitions(),
            450,
            batch=4,
            checkpoint=checkpoint,
            report=break_weights,
            every=0,
        )
    assert refused.value.field == "actor.layers.1.bias"
    state = checkpoint.load()
    assert state is not None
    assert state.step == 36


def test_a_diverging_learner_is_refused():
    data = harness.transitions(reward=np.full(96, 1e30, np.float32))
    learner = harness.make("td3_bc", critic_rate=1.0)
    with pytest.raises(RefusedError, match="lower the learning rates") as refused:
        train(learner, data, 50, batch=8)
    assert refused.value.where == "train.td3_bc"


@pytest.mark.skipif(not torch.cpu._is_avx512_bf16_supported(), reason="no bfloat16")
@pytest.mark.parametrize(
    "name",
    ["bc10", "awac", "xql", "sac_n", "edac", "cql", "rebrac", "dt", "dql", "ofql"],
)
def test_every_learner_takes_bfloat16(name: str):
    """And stays near float32: five per cent of its first update's losses."""
    small = {"context": 4, "width": 8, "episode_steps": 96} if name == "dt" else {}
    losses = {}
    for precision in ("float32", "bfloat16"):
        learner, data = harness.make(name, updates=2, **small), harness.transitions()
        curves = train(learner, data, 2, batch=16, precision=precision)
        losses[precision] = np.stack(curves.rows)[:2, 2]
    near = pytest.approx(losses["float32"], rel=0.05, abs=0.02)
    assert losses["bfloat16"] == near


@pytest.mark.parametrize("name", ["td3_bc", "iql"])
def test_bfloat16_rounds_the_products_alone(name: str):
    """Near float32, not equal to it, and all that is kept is float32."""
    data, policies, losses = harness.transitions(), {}, {}
    for precision in ("float32", "bfloat16"):
        learner = harness.make(name, updates=20)
        curves = train(learner, data, 20, batch=16, precision=precision)
        assert {t.dtype for t in learner.tensors().values()} == {torch.float32}
        losses[precision] = np.stack(curves.rows)[:2, 2:]  # of the first update
        assert harness.make(name).policy()(torch.ones(2, 4, 3)).dtype == torch.float32
        policies[precision] = learner.policy()(torch.ones(2, 4, 3))
    for of, tolerance in ((losses, 0.02), (policies, 0.05)):
        exact, rounded = (torch.as_tensor(of[p]) for p in ("float32", "bfloat16"))
        torch.testing.assert_close(rounded, exact, rtol=tolerance, atol=tolerance)
        assert not torch.equal(rounded, exact)


@pytest.mark.parametrize("name", ["td3_bc", "iql"])
def test_bfloat16_keeps_the_promises(name: str):
    """The same bits twice, and seed k alone as in a stack."""
    data, weights = harness.transitions(), []
    for seeds in ((3, 1), (3, 1), (1,)):
        learner = harness.make(name, seeds, 20)
        train(learner, data, 20, batch=16, precision="bfloat16")
        weights.append([p.detach() for p in learner.policy().parameters()])
    for first, second, alone in zip(*weights, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(first[1:], alone, atol=harness.SAME_SEED, rtol=0)


def test_identity_covers_what_determines_a_run():
    learner = harness.make("td3_bc")
    plain = harness.block("td3_bc")
    other = harness.make("td3_bc", (3, 2))
    keys = [
        identity(learner, plain, "ab", 10, 8),
        identity(learner, {**plain, "alpha": 2.4}, "ab", 10, 8),
        identity(learner, plain, "cd", 10, 8),
        identity(learner, plain, "ab", 11, 8),
        identity(learner, plain, "ab", 10, 9),
        identity(other, plain, "ab", 10, 8),
        identity(learner, plain, "ab", 10, 8, "bfloat16"),
        identity(scripted(), plain, "ab", 10, 8),
    ]
    assert len(set(keys)) == len(keys)
    assert identity(harness.make("td3_bc"), dict(plain), "ab", 10, 8) == keys[0]


def test_known_seed_gives_known_batches():
    """The streams themselves are part of the promise: old studies stay repeatable."""
    learner = harness.make("td3_bc", (0,))
    batch = Sampler(pack(learner, harness.transitions()), learner, 8)(BLOCK)
    index = np.random.default_rng([0, 1, 0]).integers(0, 96, (BLOCK, 8))[0]
    reward = harness.transitions().reward[index]
    assert batch.reward[0].tolist() == reward.tolist()
    noise = np.random.default_rng([0, 1, 1]).standard_normal((BLOCK, 8, 2), np.float32)
    digest = hashlib.sha256(noise[0].tobytes()).hexdigest()
    found = batch.noise["target"][0].contiguous().numpy().tobytes()
    assert hashlib.sha256(found).hexdigest() == digest


def test_a_step_follows_the_gradient_however_it_lies():
    """A gradient that autograd gives transposed moves the right weights."""
    learner = harness.make("bc", (0,))
    weight = torch.nn.Parameter(torch.zeros(1, 2, 3))
    learner.optimisers["actor"] = adam([weight], 0.1)
    factor = torch.tensor([[1.0, -1], [-2, 3], [4, 5]])
    learner.descend("actor", (weight.mT @ torch.eye(2) * factor).sum((1, 2)))
    expected = -0.1 * factor.T.sign()[None]
    torch.testing.assert_close(weight.detach(), expected, atol=1e-6, rtol=0)
