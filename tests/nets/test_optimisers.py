"""Adam and target networks, beside torch's own and with a rate for each seed."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tasks.artifacts.seeding import generator
from tasks.nets.layers import MLP
from tasks.nets.optimisers import (
    Adam,
    adam,
    frozen_copy,
    optimiser_tensors,
    polyak,
    restore_optimisers,
)

SEEDS, MEMBERS = (3, 1, 8), 2


def network(seeds: tuple[int, ...] = SEEDS) -> MLP:
    return MLP(seeds, "test", (4, 6, 1), MEMBERS)


def gradients(net: MLP, step: int) -> list[Tensor]:
    """Of many sizes, one of them transposed in memory, and some zeros."""
    g = generator(step, "gradient")
    drawn = [torch.randn(p.shape, generator=g) ** 5 for p in net.parameters()]
    drawn[0][:, 0] = 0
    drawn[0] = drawn[0].mT.contiguous().mT
    return drawn


def numbers(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("by_seed", [False, True])
def test_it_is_torchs_adam(decay: float, by_seed: bool):
    ours, theirs = network(), network()
    optimiser = adam(ours.parameters(), 0.01, decay)
    if by_seed:
        optimiser._move = optimiser.move_by_seed  # type: ignore[method-assign]
    peer = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=decay)
    for step in range(20):
        rate = 0.01 * (1 + math.cos(step / 20))
        optimiser.rate = peer.param_groups[0]["lr"] = rate
        optimiser.step(gradients(ours, step))
        for p, g in zip(theirs.parameters(), gradients(theirs, step), strict=True):
            p.grad = g.contiguous()
        peer.step()
    torch.testing.assert_close(numbers(ours), numbers(theirs), atol=1e-6, rtol=0)
    assert (numbers(ours) - numbers(network())).abs().max() > 0.1


@pytest.mark.parametrize("by_seed", [False, True])
@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_each_seed_may_have_a_rate_of_its_own(by_seed: bool, kind: Any):
    """Slice k of a stack moves as its seed alone with its rate."""
    rates = [0.01, 0.0, 0.003]
    stack = network()
    optimiser = adam(stack.parameters(), kind(rates))
    if by_seed:
        optimiser._move = optimiser.move_by_seed  # type: ignore[method-assign]
    for step in range(5):
        optimiser.step(gradients(stack, step))
    for k, seed in enumerate(SEEDS):
        alone, rows = network((seed,)), slice(k * MEMBERS, (k + 1) * MEMBERS)
        own = adam(alone.parameters(), rates[k])
        for step in range(5):
            own.step([g[rows] for g in gradients(stack, step)])
        for whole, part in zip(stack.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(whole[rows], part, atol=1e-7, rtol=0)


@pytest.mark.parametrize("rate", [0.005, 0.7, 1.0, [0.5, 0.0, 1.0]])
@pytest.mark.parametrize("laid", [False, True])
def test_a_target_follows(rate: Any, laid: bool):
    """Whether or not the source's parameters lie side by side in memory."""
    source, start = network(), network((9, 10, 11))
    if laid:
        adam(source.parameters(), 0.1)
    target = frozen_copy(start, network())
    polyak(target, source, rate)
    each = torch.as_tensor(rate).expand(3).repeat_interleave(MEMBERS)[:, None, None]
    for old, new, p in zip(
        start.parameters(), source.parameters(), target.parameters(), strict=True
    ):
        moved = torch.lerp(old, new, each.expand_as(old))
        torch.testing.assert_close(p, moved.detach(), atol=1e-7, rtol=0)
        assert not p.requires_grad
        if rate == 1.0:
            assert torch.equal(p, new)


def test_a_loss_from_before_a_step_is_refused():
    """Its gradient would be of other weights than its value."""
    net = network()
    optimiser = adam(net.parameters(), 0.1)
    loss = net(torch.ones(3, 2, 4)).square().sum()
    optimiser.step(gradients(net, 0))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, optimiser.parameters)


def test_a_module_may_move_between_steps():
    """As ``module.to(device)`` does, it puts every parameter somewhere else."""
    moved, kept = network(), network()
    optimisers = [adam(net.parameters(), 0.01) for net in (moved, kept)]
    for step in range(4):
        for net, optimiser in zip((moved, kept), optimisers, strict=True):
            optimiser.step(gradients(net, step))
        for parameter in moved.parameters():
            parameter.data = parameter.data.clone()
    assert torch.equal(numbers(moved), numbers(kept))
    target = frozen_copy(kept, network())
    polyak(target, moved, 0.5)
    torch.testing.assert_close(numbers(target), numbers(moved))


def test_its_state_comes_back():
    nets = [network(), network()]
    first, second = (Adam(net.parameters(), 0.01) for net in nets)
    for step in range(3):
        first.step(gradients(nets[0], step))
    state = {k: v.clone() for k, v in optimiser_tensors({"net": first}).items()}
    assert {"optimiser/net/step", "optimiser/net/3/square"} <= set(state)
    nets[1].load_state_dict(nets[0].state_dict())
    restore_optimisers({"net": second}, state)
    for net, optimiser in zip(nets, (first, second), strict=True):
        optimiser.step(gradients(net, 3))
    assert torch.equal(numbers(nets[0]), numbers(nets[1]))
