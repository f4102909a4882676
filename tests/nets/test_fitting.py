"""A fit moves a network as autograd and its optimiser would."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tasks.artifacts.seeding import generator
from tasks.nets.feedforward import Feedforward
from tasks.nets.fitting import Loss, climb, fit, outputs
from tasks.nets.layers import MLP
from tasks.nets.optimisers import adam

SEEDS, ROWS, RATE = (0, 1), 9, 0.01
INPUTS, A = 5, 3


def rows(width: int, name: str = "x") -> Tensor:
    return torch.randn(len(SEEDS), ROWS, width, generator=generator(0, name))


def policy() -> Feedforward:
    net = MLP(SEEDS, "test", (INPUTS, 8, 8, A))
    bounds = torch.ones(A)
    still = torch.zeros(INPUTS), torch.ones(INPUTS)
    return Feedforward(list(net.layers), "tanh", *still, -bounds, bounds)


NETWORKS: dict[str, Any] = {
    "value": lambda: MLP(SEEDS, "test", (INPUTS, 8, 8, 1)),
    "two outputs": lambda: MLP(SEEDS, "test", (INPUTS, 8, 8, 2)),
    "critics": lambda: MLP(SEEDS, "test", (INPUTS, 8, 8, 1), 2),
    "norms": lambda: MLP(SEEDS, "test", (INPUTS, 8, 8, 1), 2, "before"),
    "one layer": lambda: MLP(SEEDS, "test", (INPUTS, 1)),
    "policy": policy,
}


def cubes(y: Tensor) -> Loss:
    each = y.pow(3).flatten(1).mean(1)
    return Loss(each, (3 * y.square() / y[0].numel(),))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_moves_as_autograd_would(name: str, half: bool):
    ours, theirs = NETWORKS[name](), NETWORKS[name]()
    first = adam(ours.parameters(), RATE)
    second = adam(theirs.parameters(), RATE)
    whole = torch.cat([rows(INPUTS), rows(4, "beside")], -1)  # so that rows have gaps
    parts = (whole[..., :2], whole[..., 2:INPUTS])
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            each, y = fit(first, ours, parts, cubes)
            x = whole[..., :INPUTS].contiguous()
            z = theirs.squashed(x) if isinstance(theirs, Feedforward) else theirs(x)
        plain = z.pow(3).flatten(1).mean(1)
        second.step(torch.autograd.grad(plain.sum(), second.parameters))
        torch.testing.assert_close(each, plain.detach(), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(y, z.detach().view(y.shape), atol=1e-6, rtol=1e-5)
        assert not each.requires_grad
        assert not y.requires_grad
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-6, rtol=0)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        again = outputs(ours, *parts)
        assert torch.equal(again, fit(first, ours, parts, cubes)[1])


@pytest.mark.parametrize("kind", ["policy", "norms"])
def test_a_parameter_beside_the_network_moves_too(kind: str):
    net, scale = NETWORKS[kind](), nn.Parameter(torch.ones(len(SEEDS), 1))
    optimiser = adam([*net.parameters(), scale], RATE)

    def loss(y: Tensor) -> Loss:
        flat = y.flatten(1)
        each = (flat * scale.detach()).mean(1)
        slope = (scale.detach() / flat.shape[1]).expand_as(flat).view(y.shape)
        return Loss(each, (slope, flat.mean(1, keepdim=True)))

    before = outputs(net, rows(INPUTS)).flatten(1).mean(1)
    fit(optimiser, net, (rows(INPUTS),), loss, [scale])
    moved = (1 - scale.detach()).flatten()
    torch.testing.assert_close(moved, RATE * before.sign(), atol=1e-4, rtol=0)
    assert (outputs(net, rows(INPUTS)).flatten(1).mean(1) < before).all()


@pytest.mark.parametrize("least", [False, True])
@pytest.mark.parametrize("norm", ["none", "after"])
def test_what_an_actor_climbs(norm: str, least: bool):
    critics = MLP(SEEDS, "test", (INPUTS + A, 8, 8, 1), 2, norm)
    o, action = rows(INPUTS), rows(A, "action")
    choose = (lambda q: q.amin(1)) if least else None
    q, slope = climb(critics, (o, action), choose)
    leaf = action.clone().requires_grad_()
    members = critics(torch.cat([o, leaf], -1)).squeeze(-1)
    plain = members.amin(1) if least else members[:, 0]
    (gradient,) = torch.autograd.grad(plain.sum(), leaf)
    torch.testing.assert_close(q, plain.detach())
    torch.testing.assert_close(slope, gradient)


def test_a_moved_network_is_fitted_where_it_is():
    """As ``module.to(device)`` does, it puts every parameter somewhere else."""
    nets = [NETWORKS["critics"](), NETWORKS["critics"]()]
    optimisers = [adam(net.parameters(), RATE) for net in nets]
    for _ in range(3):
        for net, optimiser in zip(nets, optimisers, strict=True):
            fit(optimiser, net, (rows(INPUTS),), cubes)
        for parameter in nets[0].parameters():
            parameter.data = parameter.data.clone()
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.equal(a, b)


def test_a_batch_of_the_wrong_width_is_refused():
    net = NETWORKS["critics"]()
    with pytest.raises(ValueError, match="for weights of 5 inputs"):
        fit(adam(net.parameters(), RATE), net, (rows(INPUTS), rows(1)), cubes)
