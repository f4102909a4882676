"""The gradients that the losses state are autograd's."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.nets.fitting import Loss
from tasks.train.cores import losses
from tasks.train.engine.slices import PerSlice

from . import harness

S, E, B, A = 2, 3, 5, 4
LOG_STD = torch.tensor([-21.0, -1.0, 0.5, 2.5]).expand(S, 1, A)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def likelihood(x: Tensor, log_std: Tensor) -> Tensor:
    std = log_std.clamp(-20, 2).exp().expand_as(x)
    density = torch.distributions.Normal(x, std).log_prob(drawn(S, B, A, seed=1))
    return (drawn(S, B, seed=2) * -density.sum(-1)).mean(-1)


def gumbel(v: Tensor) -> Tensor:
    z = ((drawn(S, B, seed=1) - v) / 0.5).clamp(max=2.0)
    m = z.detach().amax(-1, keepdim=True).clamp(min=-1)
    return (-m).exp().squeeze(-1) * (z.exp() - z - 1).mean(-1)


def xql(v: Tensor) -> Loss:
    learner: Any = harness.make("xql", temperature=0.5, exponent_max=2.0)
    return learner.value_loss(drawn(S, B, seed=1), v)


def expectile(q: Tensor) -> Tensor:
    u = drawn(S, B, seed=1) - q
    return (torch.where(u < 0, 0.3, 0.7) * u.square()).mean(-1)


CASES: dict[str, tuple[tuple[int, ...], Callable[..., Loss], Callable[..., Tensor]]]
CASES = {
    "expectile": (
        (S, B),
        lambda v: losses.expectile_loss(drawn(S, B, seed=1), v, 0.7),
        expectile,
    ),
    "gumbel": ((S, B), xql, gumbel),
    "bellman": (
        (S, E, B),
        lambda q: losses.bellman_fit(q, drawn(S, B, seed=1), 0.5)[0],
        lambda q: (q - drawn(S, B, seed=1)[:, None]).square().mean(-1).sum(-1) / 2,
    ),
    "square": (
        (S, B, A),
        lambda x: losses.square(x, drawn(S, B, A, seed=1)),
        lambda x: (x - drawn(S, B, A, seed=1)).square().sum(-1).mean(-1),
    ),
    "weighted square": (
        (S, B, A),
        lambda x: losses.weighted_square(
            x, drawn(S, B, A, seed=1), drawn(S, B, seed=2)
        ),
        lambda x: (
            drawn(S, B, seed=2) * (x - drawn(S, B, A, seed=1)).square().sum(-1)
        ).mean(-1),
    ),
}


def check(loss: Loss, plain: Tensor, of: list[Tensor]) -> None:
    torch.testing.assert_close(loss.each, plain.detach())
    gradients = torch.autograd.grad(plain.sum(), of)
    for stated, gradient in zip(loss.slopes, gradients, strict=True):
        assert gradient.any()
        torch.testing.assert_close(stated, gradient)


@pytest.mark.parametrize("name", CASES)
def test_a_loss_has_autograds_gradient(name: str):
    shape, loss, plain = CASES[name]
    x = drawn(*shape).requires_grad_()
    check(loss(x.detach()), plain(x), [x])


def test_a_likelihood_has_those_of_its_deviation_too():
    """0 where the deviation is clipped."""
    x, log_std = drawn(S, B, A).requires_grad_(), LOG_STD.double().requires_grad_()
    a, weight = drawn(S, B, A, seed=1), drawn(S, B, seed=2)
    loss = losses.weighted_likelihood(x.detach(), a, weight, log_std)
    check(loss, likelihood(x, log_std), [x, log_std])
    assert not loss.slopes[1][..., [0, 3]].any()


@pytest.mark.parametrize("name", ["xql", "riql", "iql"])
def test_bellman_losses_have_autograds_gradient(name: str):
    learner: Any = harness.make(name)
    count = learner.critics.net.members
    q, y = (5 * drawn(S, count, B)).requires_grad_(), drawn(S, B, seed=1)
    loss, errors = learner.critic_loss(q, y)
    check(loss, loss.each, [q])
    share = loss.each / errors.mean(-1).sum(-1)
    whole = 1.0 if name == "xql" else 1 / count
    torch.testing.assert_close(share, torch.full_like(share, whole))


def singles(*shape: int, seed: int = 0) -> Tensor:
    return drawn(*shape, seed=seed).float()


LOOPS: dict[str, tuple[Callable[..., Any], list[Tensor]]] = {
    "expectile": (
        lambda q, v: losses.expectile_loss(q, v, 0.7),
        [singles(S, 64), singles(S, 64, seed=1)],
    ),
    "an expectile a slice": (
        lambda q, v: losses.expectile_loss(q, v, PerSlice([0.7, 0.9])),  # type: ignore[arg-type]
        [singles(S, 64), singles(S, 64, seed=1)],
    ),
    "bellman": (
        lambda q, y: losses.bellman_fit(q, y, 0.5),
        [singles(S, E, 64), singles(S, 64, seed=1)],
    ),
    "weighted square": (
        losses.weighted_square,
        [singles(S, 64, A), singles(S, 64, A, seed=1), singles(S, 64, seed=2)],
    ),
    "likelihood": (
        losses.weighted_likelihood,
        [
            singles(S, 64, A),
            singles(S, 64, A + 2, seed=1)[..., 1:-1],  # rows with gaps
            singles(S, 64, seed=2),
            LOG_STD.clone(),
        ],
    ),
    "tails": (losses.tails, [singles(S, 256), singles(S, E, 256).square()]),
    "tails of few": (losses.tails, [singles(S, 9), singles(S, 1, 9).square()]),
    "no tails": (losses.tails, [torch.ones(S, 9), torch.zeros(S, E, 9)]),
}


def flat(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [x for part in result for x in flat(part)]


@pytest.mark.parametrize("name", LOOPS)
def test_loops_do_what_torch_does(name: str, monkeypatch: pytest.MonkeyPatch):
    function, tensors = LOOPS[name]
    ours = flat(function(*tensors))
    monkeypatch.setattr(losses, "compiled", lambda *_: False)
    for a, b in zip(ours, flat(function(*tensors)), strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("at", [0, 1])
def test_what_is_no_number_shows_in_the_curves(at: int):
    tensors = [singles(S, 64), singles(S, E, 64).square()]
    tensors[at][1].view(-1)[5] = torch.nan
    shown = losses.tails(*tensors)[at]
    assert shown[1].isnan()
    assert shown[0].isfinite()
