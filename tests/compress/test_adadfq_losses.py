"""AdaDFQ's losses against numbers worked out by hand, and its generator."""

import copy
import math

import pytest
import torch

from tasks.compress.adadfq.generator import Generator
from tasks.compress.adadfq.losses import (
    Watch,
    agree_loss,
    agreement,
    balance_loss,
    distil_loss,
    entropy,
    margin_loss,
)
from tasks.nets.policy import take
from tasks.nets.resnet_base import through
from tests.compress.harness import same_tensors
from tests.compress.test_adadfq import game
from tests.nets.pictures import resnet


def test_both_distributions_enter_the_balance():
    """Item 2: cross-entropies of z_P - z_Q and of z_P + z_Q, by hand; no KL."""
    p, q = torch.tensor([[2.0, 0.5, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    label = torch.tensor([0])
    u, v = [2.0, -0.5, -1.0], [2.0, 1.5, 1.0]
    apart = -u[0] + math.log(sum(map(math.exp, u)))
    together = -v[0] + math.log(sum(map(math.exp, v)))
    for a, b in ((0.2, 0.1), (1.0, 0.0), (0.0, 1.0)):
        found = balance_loss(p, q, label, a, b)
        assert float(found) == pytest.approx(a * apart + b * together, rel=1e-5)
    assert float(balance_loss(p, q, label, 1, 0)) != pytest.approx(
        float(balance_loss(q, p, label, 1, 0))
    )


def test_agreement_is_normalised_by_the_batch_and_both_hinges_are_there():
    """Item 3, by hand: log C above, the batch's least entropy below."""
    p = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
    q = torch.zeros(3, 2) + 7  # a constant changes nothing

    def h(x: float) -> float:
        a = 1 / (1 + math.exp(-x))
        return -a * math.log(a) - (1 - a) * math.log(1 - a)

    wanted = [1.0, 0.0, (h(1) - h(3)) / (math.log(2) - h(3))]
    found = agreement(p, q)
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)
    hinges = (0.3 - 0.0) / 3, (1.0 - 0.6) / 3 + (wanted[2] - 0.6) / 3
    loss = margin_loss(found, 0.3, 0.6)
    assert float(loss) == pytest.approx(sum(hinges), abs=1e-5)
    assert float(margin_loss(torch.tensor([0.3, 0.5, 0.6]), 0.3, 0.6)) == 0
    assert agreement(p, p).tolist() == pytest.approx([1, 1, 1])


def test_the_least_entropy_keeps_its_gradient():
    p = torch.tensor([[0.0, 1.0], [3.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(agreement(p, torch.zeros(2, 2))[0], p)
    assert gradient[1].abs().min() > 0


@pytest.mark.parametrize("temperature", [1.0, 5.0, 20.0])
def test_the_student_maximises_the_entropy_at_its_temperature(temperature: float):
    """Item 4, first half."""
    u = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]])
    total = 0.0
    for row in u.tolist():
        e = [math.exp(x / temperature) for x in row]
        total -= sum(x / sum(e) * math.log(x / sum(e)) for x in e)
    wanted = -(temperature**2) * total / 2
    assert float(agree_loss(u, torch.zeros_like(u), temperature)) == pytest.approx(
        wanted, rel=1e-5
    )
    agreed = agree_loss(u, u + 4, temperature)
    assert float(agreed) == pytest.approx(-(temperature**2) * math.log(3), rel=1e-5)
    assert float(agreed) < wanted


def test_the_players_interests_in_agreement_are_opposite():
    """Item 4, second half: beyond the upper margin one lowers what the other raises."""
    p = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.4, 0.0]])
    q = torch.zeros(3, 2, requires_grad=True)
    pull = -torch.autograd.grad(agree_loss(p, q, 1.0), q)[0]
    push = -torch.autograd.grad(margin_loss(agreement(p, q), 0.1, 0.8), q)[0]
    assert float(agreement(p, q)[2].detach()) > 0.8
    assert (pull[2] * push[2]).max() < 0
    step = 1e-2
    for move, sign in ((pull, 1), (push, -1)):
        moved = entropy(p - (q + step * move))[2] - entropy(p - q)[2]
        assert float(moved.detach()) * sign > 0


def test_gdfqs_losses_by_hand():
    p, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    a = 1 / (1 + math.exp(-0.5))
    kl = a * math.log(2 * a) + (1 - a) * math.log(2 * (1 - a))
    wanted = math.log(2) + 4 * kl / 2  # mean over samples and classes
    found = distil_loss(p, q, torch.tensor([0]), 2.0)
    assert float(found) == pytest.approx(wanted, rel=1e-4)
    one = game(arm="gdfq")
    flat, label = torch.zeros(1, 5), torch.tensor([1])
    loss, _ = one.maker_loss(flat, 3 * torch.randn(1, 5), label, torch.ones(()))
    assert float(loss) == pytest.approx(math.log(5) + 0.1)


def test_statistics_are_those_that_enter_the_teachers_norms():
    """Item 5: seen on P, biased variance, and P's own statistics untouched."""
    policy = take(resnet(), 0)
    seen: dict[str, torch.Tensor] = {}
    normed = {n: u for n, u in policy.units.items() if n != "head"}
    picture = torch.randn(6, 3, 8, 8)
    before = copy.deepcopy(policy)
    watch = Watch(policy)
    logits = through(2, picture[None], watch)
    for name, layer in normed.items():
        layer.register_forward_pre_hook(
            lambda layer, given, name=name: seen.update(
                {name: layer.convolved(given[0], layer.weight)[0]}
            )
        )
    torch.testing.assert_close(policy.logits(picture[None]), logits)
    errors = []
    for name, layer in normed.items():
        rows = seen[name].transpose(0, 1).flatten(1).double()  # (N, B Y X)
        mean = rows.mean(1)
        variance = (rows - mean[:, None]).square().mean(1)
        errors.append(
            (mean - layer.mean[0]).square().mean()
            + (variance - layer.variance[0]).square().mean()
        )
    assert len(errors) == len(watch.errors) == 6
    wanted = float(sum(errors) / 6)
    assert float(watch.loss()) == pytest.approx(wanted, rel=1e-4)
    assert same_tensors(policy, before)


def test_pictures_have_the_statistics_of_the_normaliser():
    made = Generator(5, (3, 8, 8), 8, 1)
    noise = torch.randn(16, 100)
    picture = made(noise, torch.arange(16) % 5)
    assert picture.shape == (16, 3, 8, 8)
    torch.testing.assert_close(
        picture.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0
    )
    variance = picture.var((0, 2, 3), correction=0)
    torch.testing.assert_close(variance, torch.ones(3), atol=1e-2, rtol=0)
    norms = [m for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert [norm.eps for norm in norms] == [1e-5, 0.8, 0.8, 1e-5]
    assert not norms[-1].affine
    one, other = (made(noise, torch.full((16,), y)) for y in (0, 1))
    assert (one - other).abs().max() > 0.1  # the class matters
