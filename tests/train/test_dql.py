"""DQL: its equations, that the gradient passes all K calls, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.nets.sampling import variance_preserving
from tasks.train.engine.loop import train
from tasks.train.engine.minibatches import batches

from . import harness
from .diffusing import DiffusionReference, spread
from .point import point_return

SMALL = {"time_width": 4, "clip_norm": 0.5, "average_from": 0, "eta": 0.7}


def calls(network: torch.nn.Module) -> list[int]:
    """A list that grows by each call's number of rows."""
    rows: list[int] = []
    network.layers[0].register_forward_pre_hook(
        lambda _, inputs: rows.append(inputs[0].shape[1])
    )
    return rows


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize(
    ("step", "normaliser"), [(0, "swap"), (5, "min"), (4, "mean"), (3, "swap")]
)
def test_a_step_is_the_equations(k: int, step: int, normaliser: str):
    """Through all K calls of the sampler, in float64."""
    learner = harness.make("dql", steps=3, normaliser=normaliser, **SMALL)
    spread(learner)
    batch = harness.random_batch(learner)
    batch.noise["choice"].clamp_(-1, 0.99)
    ref = DiffusionReference(learner, k, batch)
    learner.update(batch, step)
    p, abar = learner.params, torch.from_numpy(variance_preserving(3))

    def imitation() -> torch.Tensor:
        j = ((ref.noise["choice"][:, 0, 0] + 1) / 2 * 3).long()
        kept, noise = abar[j][:, None], ref.noise["noise"]
        x = kept.sqrt() * ref.a + (1 - kept).sqrt() * noise
        said = ref.predict("actor", ref.o, x, j.double())
        return ((said - noise) ** 2).mean()

    def sample(name: str, o: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return ref.ancestral(name, o, noise, abar.tolist())

    ref.update(imitation, sample, p, averaged=step in {0, 5})
    ref.check()


def test_losses_by_hand():
    """Two rows, networks without hidden layers that are constants."""
    learner = harness.make(
        "dql",
        (0,),
        actor_hidden=[],
        critic_hidden=[],
        steps=1,
        eta=0.5,
        clip_norm=0.0,
        average_from=9,
        actor_rate=0.0,
        critic_rate=0.0,
        polyak=0.0,
    )
    for policy in (learner.actor, learner.average):
        harness.constant(policy.layers, [0.0, 0.0])
    harness.constant(learner.critics, [2.0], [4.0])
    harness.constant(learner.target, [3.0], [2.5])
    batch = harness.two_rows([[0.5, 0], [0, -1]], noise=[[1.0, 0], [0, -2]])
    zero = torch.zeros(1, 2, 1, 2)
    batch.noise |= {"current": zero, "next": zero}
    for drawn, climb in ((-0.5, 2 / 4), (0.5, 4 / 2)):
        batch.noise["choice"] = torch.full((1, 2, 2, 2), drawn)
        found = learner.update(batch, 0)
        # y = 1 + 0.99 * 2.5 and 1; Q_1 = 2, Q_2 = 4
        first, second = (1.475**2 + 1**2) / 2, (0.525**2 + 3**2) / 2
        assert found["critic_loss"].item() == pytest.approx(first + second, rel=1e-6)
        # the network says 0 of the noises 1, 0, 0, -2
        assert found["imitation_loss"].item() == pytest.approx(5 / 4, rel=1e-6)
        expected = 5 / 4 - 0.5 * climb
        assert found["actor_loss"].item() == pytest.approx(expected, rel=1e-6)


def test_the_divisor_of_q_has_no_gradient():
    """With min or mean, Q > 0: undetached, Q / mean |Q| would be constant."""
    for normaliser in ("min", "mean", "swap"):
        learner = harness.make("dql", (0,), steps=2, normaliser=normaliser)
        with torch.no_grad():
            for layer in learner.critics.net.layers:
                layer.bias.add_(100)
        batch = harness.random_batch(learner)
        action = learner.actor.sample(batch.observation, batch.noise["current"])
        loss, _ = learner.value_loss(batch, action)
        gradients = torch.autograd.grad(loss.sum(), list(learner.actor.parameters()))
        assert max(g.abs().max() for g in gradients) > 1e-6


def test_the_gradient_passes_all_calls():
    """Cut before the last call, the action's gradient is another one."""
    learner = harness.make("dql", (0,), steps=4)
    batch = harness.random_batch(learner)
    noise = batch.noise["current"].clone().requires_grad_()
    rows = calls(learner.actor)
    action = learner.actor.sample(batch.observation, noise)
    assert rows == [16] * 4
    weights = list(learner.actor.parameters())
    whole = torch.autograd.grad(action.sum(), [*weights, noise], retain_graph=True)
    assert whole[-1][:, :, 0].abs().max() > 0  # from the first noise to the action
    network, count = learner.actor.network, iter(range(4))

    def cut(o: torch.Tensor, x: torch.Tensor, *times: torch.Tensor) -> torch.Tensor:
        return network(o, x if next(count) < 3 else x.detach(), *times)

    learner.actor.network = cut
    shorter = learner.actor.sample(batch.observation, noise)
    torch.testing.assert_close(shorter, action)
    part = torch.autograd.grad(shorter.sum(), weights)
    assert not torch.allclose(part[0], whole[0], rtol=0.05)


@pytest.mark.parametrize("steps", [1, 5])
def test_an_update_calls_the_network_k_times_an_action(steps: int):
    learner = harness.make("dql", steps=steps)
    ahead, own = calls(learner.average), calls(learner.actor)
    learner.update(harness.random_batch(learner), 0)
    assert ahead == [16] * steps  # a'
    assert own == [16] * (1 + steps)  # imitation, and the action that climbs


def test_the_best_of_several_actions_may_back_up():
    learner = harness.make("dql", max_q_backup=True, backup_actions=3, steps=2)
    spread(learner)
    batch = harness.random_batch(learner)
    assert batch.noise["next"].shape == (2, 16, 6, 2)
    found = learner.value_next(batch)
    values = []
    for i in range(3):
        noise = batch.noise["next"][:, :, 2 * i : 2 * i + 2]
        a = learner.average.sample(batch.next_observation, noise)
        values.append(learner.target(batch.next_observation, a))  # (S, 2, B)
    expected = torch.stack(values).amax(0).amin(1)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(expected, torch.stack(values).amin(2).amax(0))
    learner.update(batch, 0)


def test_the_average_waits_and_then_moves_every_few_updates():
    learner = harness.make("dql", average_from=4, average_every=3, average_decay=0.9)
    moved = []
    for step in range(10):
        before = learner.average.layers[0].weight.clone()
        learner.update(harness.random_batch(learner), step)
        after, own = learner.average.layers[0].weight, learner.actor.layers[0].weight
        moved.append(not torch.equal(before, after))
        if moved[-1]:
            torch.testing.assert_close(after, 0.9 * before + 0.1 * own)
    assert [i for i, yes in enumerate(moved) if yes] == [6, 9]


def test_both_critics_are_climbed_half_the_time():
    learner = harness.make("dql", (0,))
    sample = batches(learner, harness.transitions(), 4)
    picks = [float(sample(i).noise["choice"][0, 0, 1, 0]) > 0 for i in range(400)]
    assert np.mean(picks) == pytest.approx(0.5, abs=0.1)


def test_rewards_are_shifted_then_scaled():
    learner = harness.make("dql", reward_shift=-0.5, reward_scale=4.0)
    found = learner.rewards(torch.tensor([0.0, 1.0]), torch.zeros(1))
    assert found.tolist() == [-2.0, 2.0]


def test_learns_the_point():
    found = point_return(
        "dql",
        updates=300,
        actor_rate=3e-3,
        critic_rate=3e-3,
        average_from=0,
        average_every=1,
        average_decay=0.98,
        eta=3.0,
        steps=3,
    )
    assert found > -0.35  # cloning: below -0.6, as test_td3_bc.py has it


def test_cloning_alone_is_the_limit_of_a_small_eta():
    ends = []
    for eta in (0.0, 1e-9):
        learner = harness.make("dql", updates=20, **{**SMALL, "eta": eta})
        curves = train(learner, harness.transitions(), 20, batch=16)
        assert "value" in curves.columns
        ends.append([p.detach().clone() for p in learner.policy().parameters()])
    for cloned, climbed in zip(*ends, strict=True):
        torch.testing.assert_close(cloned, climbed, atol=1e-6, rtol=0)


def test_same_as_every_learner(tmp_path: Path):
    small: dict[str, Any] = {"steps": 2, "average_from": 3}
    harness.check_bootstrap("dql", **small)
    harness.check_engine("dql", tmp_path, updates=20, **small)
    harness.check_refusals("dql", "discount", 1.01)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eta", -0.1),
        ("n_candidates", 0),
        ("n_candidates", 50),
        ("time_width", 5),
        ("steps", 0),
        ("beta_high", 0.05),
        ("normaliser", "max"),
        ("clip_norm", -1.0),
        ("activation", "tanh"),
    ],
)
def test_bad_parameters_are_refused(field: str, value: Any):
    with pytest.raises(RefusedError) as refused:
        harness.make("dql", **{field: value})
    assert refused.value.field == f"train.dql.{field}"


def test_actions_outside_their_bounds_are_refused():
    data = harness.transitions()
    data.action[7] = 9
    learner = harness.make("dql", data=data)
    with pytest.raises(RefusedError, match="action: found .* scaled"):
        train(learner, data, 2, batch=4)
