"""Descriptor-conditioned TD3 against straight-line float64."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.generate.cores.policy_batch import Policies
from tasks.generate.dcg_map_elites.buffer import Buffer, Rows
from tasks.generate.dcg_map_elites.conditioned_td3 import Teacher, similarity
from tests.generate.archives import small

W, A, D, B = 3, 2, 2, 6  # widths of observation, action, descriptor; rows
HIDDEN = [5, 4]


def teacher(**changes: Any) -> Teacher:
    if not changes.get("conditioned", True):
        changes |= {"variation": 10, "gradient": 10, "active": 0}
    learner = Teacher(small(**changes).params, 3, (W, A, D), HIDDEN, [7, 6])
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():  # targets of their own, biases that are not zero
        now, target = ("actor", "critics"), ("target_actor", "target_critics")
        for net in (getattr(learner, name) for name in now + target):
            for weight in net.parameters():
                weight.add_(0.3 * torch.randn(weight.shape, generator=draw))
    return learner


def rows(seed: int = 0) -> Rows:
    draw = np.random.default_rng(seed)
    d = draw.uniform(-1, 1, (B, D))
    return Rows.of(
        observation=draw.normal(size=(B, W)),
        action=draw.uniform(-1, 1, (B, A)),
        reward=draw.uniform(0, 1, B),
        after=draw.normal(size=(B, W)),
        terminated=np.array([0, 1, 0, 0, 0, 0]),
        truncated=np.array([0, 0, 1, 0, 0, 0]),
        observed=d,
        commanded=d + draw.normal(size=(B, D)) * 0.1 * (np.arange(B) > 2)[:, None],
    )


def net(weights: list[Tensor], x: Tensor) -> Tensor:
    """A perceptron in float64: weight and bias a layer."""
    for i in range(0, len(weights), 2):
        x = x @ weights[i] + weights[i + 1]
        x = x.relu() if i < len(weights) - 2 else x
    return x


def doubles(module: Any, k: int) -> list[Tensor]:
    """Slice k of every weight, float64, with gradients."""
    return [
        t[k].detach().double().squeeze(0).requires_grad_()
        if t[k].shape[0] == 1
        else t[k].detach().double().requires_grad_()
        for layer in module.layers
        for t in (layer.weight, layer.bias)
    ]


def adam(weights: list[Tensor], loss: Tensor, rate: float) -> list[Tensor]:
    """The first step of Adam: the moments' corrections cancel, so rate g/(|g|+eps)."""
    slopes = torch.autograd.grad(loss, weights)
    return [
        w - rate * g / (g.abs() + 1e-8) for w, g in zip(weights, slopes, strict=True)
    ]


@pytest.mark.parametrize("conditioned", [True, False])
def test_an_update_is_that_of_the_equations(conditioned: bool):
    """Critics, actor by the critics before their step, both targets."""
    learner = teacher(conditioned=conditioned, policy_delay=1)
    p, batch, noise = learner.recipe, rows(), torch.full((B, A), 1.5)
    noise[0] = 9.0  # clipped
    before = copy.deepcopy(learner)
    losses = learner.update(batch, noise)

    x = {k: v.double() for k, v in vars(batch).items()}
    aim = x["commanded"] if conditioned else x["commanded"][:, :0]
    actor, t_actor = doubles(before.actor, 0), doubles(before.target_actor, 0)
    q1, q2 = (doubles(before.critics, k) for k in (0, 1))
    t1, t2 = (doubles(before.target_critics, k) for k in (0, 1))
    jitter = (0.2 * noise.double()).clamp(-0.5, 0.5)
    pushed = torch.tanh(net(t_actor, torch.cat([x["after"], aim], 1))) + jitter
    seen = torch.cat([x["after"], pushed.clamp(-1, 1), aim], 1)
    distance = (x["observed"] - x["commanded"]).square().sum(1, keepdim=True).sqrt()
    s = torch.exp(-distance / 0.1) if conditioned else 1.0
    smaller = torch.minimum(net(t1, seen), net(t2, seen))
    y = (s * x["reward"] + 0.99 * (1 - x["terminated"]) * smaller).detach()
    row = torch.cat([x["observation"], x["action"], aim], 1)
    critic_loss = sum(
        ((net(q, row) - y) * (1 - x["truncated"])).square().mean() for q in (q1, q2)
    )
    acted = torch.tanh(net(actor, torch.cat([x["observation"], aim], 1)))
    actor_loss = -net(q1, torch.cat([x["observation"], acted, aim], 1)).mean()
    assert losses == pytest.approx((critic_loss.item(), actor_loss.item()), abs=1e-5)

    new_critics = adam([*q1, *q2], critic_loss, p.critic_rate)
    new_actor = adam(actor, actor_loss, p.actor_rate)
    half = len(q1)
    for k, part in enumerate((new_critics[:half], new_critics[half:])):
        close(doubles(learner.critics, k), part)
        old = (t1, t2)[k]
        close(doubles(learner.target_critics, k), follow(old, part))
    close(doubles(learner.actor, 0), new_actor)
    close(doubles(learner.target_actor, 0), follow(t_actor, new_actor))


def follow(old: list[Tensor], new: list[Tensor]) -> list[Tensor]:
    return [0.995 * a + 0.005 * b for a, b in zip(old, new, strict=True)]


def close(values: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(values, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_the_actor_rests_every_other_step():
    learner = teacher()
    names = ("actor", "target_actor", "critics", "target_critics")
    moved = []
    for step in range(4):
        before = {n: copy.deepcopy(getattr(learner, n).state_dict()) for n in names}
        losses = learner.update(rows(step), torch.zeros(B, A))
        now = {n: getattr(learner, n).state_dict() for n in names}
        moved.append(
            [
                any(not torch.equal(now[n][k], before[n][k]) for k in now[n])
                for n in names
            ]
        )
        assert np.isnan(losses[1]) == (step % 2 == 0)
    assert moved == [[False, False, True, True], [True] * 4] * 2


def test_similarity_is_of_the_observed_descriptor():
    """By hand: 0.1 off is 1/e at L = 0.1, no distance is 1."""
    d = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.5, 0.5]])
    commanded = torch.tensor([[0.1, 0.0], [0.0, 0.0], [0.5, 0.5]])
    likeness = similarity(d, commanded, 0.1).flatten()
    torch.testing.assert_close(likeness, torch.tensor([-1.0, -5.0, 0.0]).exp())


def test_truncation_masks_the_error_and_termination_stops_the_bootstrap():
    learner, batch = teacher(), rows()
    one = {k: v[1:2] for k, v in vars(batch).items()}  # terminated
    far = {**one, "after": one["after"] + 5}
    loss = learner.critic_loss(Rows(**one), torch.zeros(1, A))
    assert loss == learner.critic_loss(Rows(**far), torch.zeros(1, A))
    assert loss > 0
    running = {**far, "terminated": torch.zeros(1, 1)}
    assert learner.critic_loss(Rows(**running), torch.zeros(1, A)) != loss
    cut = {k: v[2:3] for k, v in vars(batch).items()}  # truncated
    assert learner.critic_loss(Rows(**cut), torch.zeros(1, A)) == 0


def test_pga_sees_no_descriptor():
    learner, batch = teacher(conditioned=False), rows()
    other = Rows(
        **{**vars(batch), "commanded": -batch.commanded, "observed": batch.commanded}
    )
    noise = torch.zeros(B, A)
    assert learner.critic_loss(batch, noise) == learner.critic_loss(other, noise)
    assert learner.actor_loss(batch) == learner.actor_loss(other)
    aimed = teacher()
    assert aimed.critic_loss(batch, noise) != aimed.critic_loss(other, noise)
    assert learner.actor.layers[0].inputs == W
    assert aimed.actor.layers[0].inputs == W + D


def test_a_child_climbs_at_its_parents_own_descriptor():
    """Each policy by itself in float64, all with an Adam of their own."""
    learner = teacher()
    parents = Policies.random(4, (W, *HIDDEN, A), torch.Generator().manual_seed(2))
    genomes = parents.genomes()
    genomes[3] = genomes[0]  # the same policy, another descriptor
    commanded = torch.tensor([[0.1, 0.2], [-0.5, 0.9], [0.0, 0.0], [0.9, -0.9]])
    draw = torch.Generator().manual_seed(3)
    states = torch.randn(1, 8, W, generator=draw)
    frozen = copy.deepcopy(learner.critics.state_dict())
    children = learner.improve(genomes, commanded, states)
    assert all(
        torch.equal(v, frozen[k]) for k, v in learner.critics.state_dict().items()
    )
    q1, x = doubles(learner.critics, 0), states[0].double()
    for k in range(4):
        weights = doubles(Policies.of(genomes, (W, *HIDDEN, A)), k)
        aim = commanded[k].double().expand(8, -1)
        action = torch.tanh(net(weights, x))
        loss = -net(q1, torch.cat([x, action, aim], 1)).mean()
        expected = torch.cat([w.flatten() for w in adam(weights, loss, 5e-3)])
        # where a gradient is 0 but for rounding, Adam's first step is not its sign
        sure = (
            torch.cat(
                [
                    g.flatten().abs()
                    for g in torch.autograd.grad(
                        -net(
                            q1, torch.cat([x, torch.tanh(net(weights, x)), aim], 1)
                        ).mean(),
                        weights,
                    )
                ]
            )
            > 1e-5
        )
        child = torch.from_numpy(children[k]).double()
        torch.testing.assert_close(child[sure], expected[sure], rtol=0, atol=2e-5)
        assert sure.float().mean() > 0.5
    assert not np.array_equal(children[0], children[3])


def test_a_child_does_not_depend_on_its_siblings():
    learner = teacher()
    shape = (W, *HIDDEN, A)
    genomes = Policies.random(3, shape, torch.Generator().manual_seed(2)).genomes()
    commanded = torch.tensor([[0.1, 0.2], [-0.5, 0.9], [0.0, 0.0]])
    states = torch.randn(4, 8, W, generator=torch.Generator().manual_seed(3))
    together = learner.improve(genomes, commanded, states)
    alone = learner.improve(genomes[1:2], commanded[1:2], states)
    np.testing.assert_allclose(together[1], alone[0], rtol=0, atol=1e-5)


def test_a_folded_actor_is_the_actor_at_that_descriptor():
    learner = teacher()
    draw = np.random.default_rng(0)
    commanded = draw.uniform(-1, 1, (3, D)).astype(np.float32)
    seen = draw.normal(size=(3, W)).astype(np.float32)
    folded = Policies.of(learner.folded(commanded), (W, *HIDDEN, A))
    np.testing.assert_allclose(
        folded.act(seen), learner.act(seen, commanded), atol=1e-6
    )
    plain = teacher(conditioned=False)
    same = Policies.of(plain.folded(commanded), (W, *HIDDEN, A)).act(seen)
    np.testing.assert_allclose(same, plain.act(seen, commanded), atol=1e-6)


def test_genomes_round_trip_and_start_as_lecun():
    policies = Policies.random(50, (W, 40, A), torch.Generator().manual_seed(0))
    again = Policies.of(policies.genomes(), (W, 40, A))
    assert np.array_equal(again.genomes(), policies.genomes())
    first, last = policies.layers
    for layer, inputs in ((first, W), (last, 40)):
        bound = (3 / inputs) ** 0.5
        assert 0.99 * bound < layer.weight.abs().max().item() <= bound
        assert not layer.bias.any()


def test_buffer_keeps_the_newest():
    buffer, batch = Buffer(10, (W, A, 1, W, 1, 1, D, D), 5), rows()
    for shift in (0.0, 1.0, 2.0):
        shifted = {**vars(batch), "observation": batch.observation + shift}
        buffer.append(Rows(**shifted))
    assert (buffer.size, buffer.at) == (10, 8)
    order = [*range(8, 10), *range(8)]  # oldest first
    held = buffer.take(torch.tensor(order))
    commanded = torch.cat([batch.observation[2:] + 1, batch.observation + 2])
    assert torch.equal(held.observation, commanded)
    assert torch.equal(held.commanded[-B:], batch.commanded)


def test_buffer_refuses_what_cannot_be():
    with pytest.raises(RefusedError, match="at least one batch, 5"):
        Buffer(4, (W, A, 1, W, 1, 1, D, D), 5)
    buffer, batch = Buffer(10, (W, A, 1, W, 1, 1, D, D), 5), rows()
    batch.truncated[1] = 1
    with pytest.raises(RefusedError, match="both set in one transition"):
        buffer.append(batch)
    assert buffer.size == 0
