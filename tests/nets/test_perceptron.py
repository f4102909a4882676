"""The stacked perceptron beside torch's own layers, in values and all gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.artifacts.seeding import generator
from tasks.nets.layers import MLP
from tasks.nets.perceptron import affine, perceptron

SEEDS, ROWS = 3, 33


def tensors(stack: int, *widths: int) -> list[Tensor]:
    net = MLP(tuple(range(stack)), "test", widths)
    return [p for layer in net.layers for p in (layer.weight, layer.bias)]


def rows(inputs: int, stack: int = SEEDS) -> Tensor:
    return torch.randn(stack, ROWS, inputs, generator=generator(0, "x"))


def plainly(x: Tensor, own: list[Tensor], first: int = 0, every: int = 1) -> Tensor:
    cut = [t[first::every] for t in own]
    x = x.repeat_interleave(len(cut[0]) // len(x), 0)
    for i in range(0, len(cut), 2):
        x = torch.baddbmm(cut[i + 1], torch.relu(x) if i else x, cut[i])
    return x


def close(ours: Any, plain: Any) -> None:
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, atol=2e-6, rtol=1e-5)
        assert b.any()


@pytest.mark.parametrize("widths", [(7, 1), (7, 5), (7, 9, 1), (7, 9, 5), (4, 9, 6, 2)])
@pytest.mark.parametrize("members", [1, 2])
def test_it_is_torchs_layers(widths: tuple[int, ...], members: int):
    """With gradients of x, of the weights, and of both in one call."""
    own, x = tensors(SEEDS * members, *widths), rows(widths[0])
    with torch.no_grad():
        close([perceptron(x, own)], [plainly(x, own)])
    for wanted in ("x", "weights", "both"):
        x = rows(widths[0]).requires_grad_(wanted != "weights")
        of = {"x": [x], "weights": own, "both": [x, *own]}[wanted]
        ways = []
        for way in (perceptron, plainly):
            y = way(x, own)
            ways.append([y, *torch.autograd.grad(y.square().mean(), of)])
        close(*ways)


def test_members_can_be_left_out():
    """Then the gradients of their weights are zeros."""
    own, ways = tensors(6, 4, 8, 3), []
    for way in (perceptron, plainly):
        x = rows(4).requires_grad_()
        y = way(x, own, 1, 2)
        ways.append([y, *torch.autograd.grad(y.square().mean(), [x, *own])])
    close(*ways)
    assert not ways[0][2][::2].any()


def test_a_network_may_be_asked_twice_in_one_loss():
    own, ways = tensors(SEEDS, 4, 8, 4), []
    for way in (perceptron, plainly):
        x = rows(4).requires_grad_()
        y = way(way(x, own).tanh(), own)
        ways.append(torch.autograd.grad(y.square().mean(), [x, *own]))
    close(*ways)


def test_a_slice_alone_is_the_slice_of_a_stack():
    """To the last bit: each slice goes through all layers by itself."""
    own, x = tensors(SEEDS, 7, 64, 64, 1), rows(7)
    whole = perceptron(x, own)
    gradients = torch.autograd.grad(whole.square().sum(), own)
    for k in range(SEEDS):
        part = [t.detach()[k : k + 1].clone().requires_grad_() for t in own]
        alone = perceptron(x[k : k + 1].clone(), part)
        assert torch.equal(alone[0], whole[k])
        for a, b in zip(
            torch.autograd.grad(alone.square().sum(), part), gradients, strict=True
        ):
            assert torch.equal(a[0], b[k])


def test_only_the_gradients_asked_for_are_computed():
    """An actor that climbs its critics takes half the products."""
    own, x = tensors(SEEDS, 4, 8, 3), rows(4).requires_grad_()
    y = perceptron(x, own).sum()
    call = y.grad_fn.next_functions[0][0].call
    torch.autograd.grad(y, x, retain_graph=True)
    assert call.gradients == []
    torch.autograd.grad(y, own)
    assert len(call.gradients) == 4


def test_what_is_no_number_stays_none():
    """A diverging training is refused because of it; ReLU must not hide it."""
    own, x = tensors(SEEDS, 4, 8, 8, 3), rows(4)
    x[1, 2, 3] = torch.nan
    y = perceptron(x, own)
    assert y[1, 2].isnan().all()
    assert y.isnan().sum() == 3
    gradients = torch.autograd.grad(y.square().sum(), own)
    assert all(g[1].isnan().any() and g[2].isfinite().all() for g in gradients)


def test_other_types_go_through_torch():
    own = [t.detach().double() for t in tensors(SEEDS, 4, 8, 3)]
    x = rows(4).double()
    torch.testing.assert_close(perceptron(x, own), plainly(x, own))


def test_a_layer_with_one_output():
    x, own = rows(4), tensors(SEEDS, 4, 1)
    torch.testing.assert_close(affine(x, *own), torch.baddbmm(own[1], x, own[0]))


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(
    ("members", "first", "every"), [(1, 0, 1), (2, 0, 1), (2, 1, 2)]
)
def test_bfloat16_is_as_near_as_torchs(
    outputs: int, members: int, first: int, every: int
):
    """Rounded as by autocast, layer by layer: units that start or stop make it far."""
    own, ways = tensors(SEEDS * members, 7, 32, 32, outputs), []
    for way, half in ((perceptron, True), (perceptron, False), (plainly, True)):
        x = rows(7).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = way(x, own, first, every).float()
        gradients = torch.autograd.grad(y.square().mean(), [x, *own])
        ways.append([y.detach(), *gradients])
    for rounded, exact, torchs in zip(*ways, strict=True):
        assert rounded.dtype == torch.float32
        error, theirs = (float((z - exact).abs().max()) for z in (rounded, torchs))
        assert 0 < error < 1.2 * theirs + 0.002 * float(exact.abs().max())
