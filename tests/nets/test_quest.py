"""The layer in training: grid, mask, gradients, and the arms it is compared with."""

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from tasks.nets.quest import (
    HALF_RANGE,
    Quest,
    block_of,
    hadamard,
    half_range,
    levels,
    rotate,
)
from tasks.nets.quest_packed import QuestLinear, packed

BITS = list(HALF_RANGE)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(
    inputs: int, outputs: int, bits: float, block: int, **more: object
) -> Quest:
    layer = Quest(2, inputs, outputs, bits, block, **more)  # type: ignore[arg-type]
    layer.weight.data = drawn(2, inputs, outputs)
    if layer.bias is not None:
        layer.bias.data = drawn(2, 1, outputs, seed=1)
    return layer


def squared_error(half: float, n: int) -> float:
    """E(X - Q(X))^2 of a standard normal X: moments of a normal cut at the borders."""
    centres = 2 * half / (n - 1) * (np.arange(n) - (n - 1) / 2)
    inner = (centres[1:] + centres[:-1]) / 2
    density = np.array([0.0, *stats.norm.pdf(inner), 0.0])
    moment = np.array([0.0, *(inner * density[1:-1]), 0.0])  # x pdf(x)
    mass = np.diff([0.0, *stats.norm.cdf(inner), 1.0])
    first, second = -np.diff(density), mass - np.diff(moment)
    return float((second - 2 * centres * first + centres**2 * mass).sum())


def test_the_closed_form_is_the_mean_squared_error():
    x = np.random.default_rng(0).standard_normal(400_000)
    q = np.clip(np.floor(x) + 0.5, -1.5, 1.5)
    assert squared_error(1.5, 4) == pytest.approx(
        float(((x - q) ** 2).mean()), rel=0.01
    )


@pytest.mark.parametrize("bits", BITS)
def test_half_ranges_minimise_the_error_on_a_normal(bits: float):
    """Those of 6 bits and more lie a little below the best, at hardly any cost."""
    n, given = levels(bits), HALF_RANGE[bits]
    found = optimize.minimize_scalar(
        lambda half: squared_error(half, n), bounds=(0.5, 5), method="bounded"
    )
    if bits <= 5:
        assert given == pytest.approx(found.x, abs=1e-3)
    assert squared_error(given, n) <= 1.002 * found.fun


@pytest.mark.parametrize("bits", BITS)
def test_levels_have_equal_steps_and_no_zero(bits: float):
    layer, x, n = Quest(1, 64, 1, bits, 64), drawn(1, 500, 64), levels(bits)
    c = half_range(rotate(x, layer.matrix), bits)
    raised = (layer.quantised(x) / (2 * c / (n - 1)) + (n - 1) / 2).double()
    codes = raised.round()
    assert (raised - codes).abs().max() < 1e-3  # D (q - (n - 1) / 2)
    assert set(codes.unique().tolist()) <= set(range(n))
    assert len(codes.unique()) > (n - 1) * 0.9  # the outermost are rare
    least = float((layer.quantised(x) / c).abs().min())
    assert least == pytest.approx(0 if n == 3 else 1 / (n - 1), rel=1e-3, abs=1e-6)
    if bits == 1:
        sigma = rotate(x, layer.matrix).square().mean(-1, keepdim=True).sqrt()
        ratio = (layer.quantised(x) / sigma).abs()
        torch.testing.assert_close(ratio, torch.full_like(ratio, 0.7978846))


def test_blocks_of_hadamard_matrices_turn_and_turn_back():
    for size in (2, 16, 128):
        h = hadamard(size)
        assert torch.equal(h @ h.T, size * torch.eye(size))
        assert set(h.unique().tolist()) == {-1.0, 1.0}
    x = drawn(3, 5, 48)
    y = rotate(x, hadamard(16) / 4)
    wanted = torch.cat([part @ hadamard(16) / 4 for part in x.split(16, -1)], -1)
    torch.testing.assert_close(y, wanted)
    assert rotate(drawn(2, 11), hadamard(16)).shape == (2, 16)
    assert [block_of(w, 128) for w in (256, 64, 96, 11, 1)] == [128, 64, 32, 16, 16]


def by_hand(
    x: np.ndarray, weight: np.ndarray, gradient: np.ndarray, bits: int, block: int
) -> tuple[np.ndarray, ...]:
    """Output and gradients of one layer in float64, row by row, by the equations."""
    n, a = 2**bits, HALF_RANGE[bits]
    h = np.eye(x.shape[1])
    if block > 1:
        h = np.kron(np.eye(x.shape[1] // block), hadamard(block).numpy()) / block**0.5
    factor = 1.30 if block > 1 else 1.25

    def rounded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, masks = [], []
        for row in rows:
            y = row @ h
            c = a * np.sqrt(np.mean(y**2)) + 1e-8
            step = 2 * c / (n - 1)
            y_hat = step * np.round(np.clip(y, -c, c) / step + 0.5) - step / 2
            inside = np.abs(y) <= factor * c
            masks.append(inside if bits == 1 else np.abs(y_hat - y) <= step / 2)
            values.append(y_hat)
        return np.array(values), np.array(masks)

    x_hat, x_mask = rounded(x)
    w_hat, w_mask = rounded(weight.T)
    by_x = (x_mask * (gradient @ w_hat)) @ h.T
    by_w = (w_mask * (gradient.T @ x_hat)) @ h.T
    return x_hat @ w_hat.T, by_x, by_w.T


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("block", [16, 1])
def test_forward_and_gradients_are_the_equations(bits: int, block: int):
    layer = trained(32, 5, bits, block, bias=False)
    x = drawn(2, 7, 32, seed=2).requires_grad_()
    given = drawn(2, 7, 5, seed=3)
    y = layer(x)
    torch.autograd.backward((y * given).sum())
    for k in range(2):
        wanted = by_hand(
            x[k].detach().double().numpy(),
            layer.weight[k].detach().double().numpy(),
            given[k].double().numpy(),
            bits,
            block,
        )
        assert x.grad is not None
        assert layer.weight.grad is not None
        found = (y[k].detach(), x.grad[k], layer.weight.grad[k])
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one.numpy(), other, rtol=1e-4, atol=1e-5)


def test_a_masked_coordinate_still_learns_through_the_others():
    """In rotated space the outlier's gradient is cut, but not all of its input's."""
    x = torch.zeros(1, 1, 16)
    x[0, 0, 0] = 1.0
    y = rotate(x, hadamard(16) / 4)
    y[0, 0, 5] = 3.0  # far outside the grid
    outlier = (y @ hadamard(16) / 4).requires_grad_()
    layer = Quest(1, 16, 1, 2, 16, bias=False)
    torch.autograd.backward(layer.quantised(outlier).sum())
    assert outlier.grad is not None
    turned = outlier.grad @ hadamard(16) / 4
    assert turned[0, 0, 5] == pytest.approx(0, abs=1e-6)
    assert (outlier.grad.abs() > 1e-3).any()


def test_weights_and_inputs_are_rounded_in_training_and_afterwards():
    layer = trained(64, 3, 1, 64)
    x = drawn(2, 9, 64, seed=4)
    for mode in (True, False):
        layer.train(mode)
        for which, tensor in enumerate((x, layer.weight.transpose(1, 2))):
            y = layer.quantised(tensor, which)
            assert all(len(row.unique()) == 2 for row in y.flatten(0, 1))
    with torch.no_grad():
        torch.testing.assert_close(layer(3 * x) - layer(x), 2 * (layer(x) - layer.bias))


def test_the_scale_is_the_rows_own_and_has_no_gradient():
    layer = trained(16, 4, 2, 16, bias=False)
    x = drawn(2, 3, 16)
    x[0, 1] *= 100
    alone = layer(x[:, :1])
    torch.testing.assert_close(layer(x)[:, :1], alone)  # other rows do not matter
    c = half_range(rotate(x, layer.matrix), 2)
    assert c[0, 1] > 50 * c[0, 0]
    assert not layer.state_dict().keys() - {"weight"}  # nothing is remembered


def test_an_all_zero_row_gives_the_bias():
    for bits in BITS:
        layer = trained(32, 4, bits, 32)
        zeros = torch.zeros(2, 1, 32)
        for one in (layer, packed(layer)):
            y = one(zeros).detach()
            assert torch.isfinite(y).all()
            assert layer.bias is not None
            torch.testing.assert_close(y, layer.bias.detach(), rtol=0, atol=1e-5)


def test_switches_of_one_layer_are_the_ablations():
    x = drawn(2, 50, 32)
    x[:, :, 3] *= 20  # an outlier
    arms = {
        "quest": trained(32, 4, 2, 32),
        "no_hadamard": trained(32, 4, 2, 1),
        "no_trust": trained(32, 4, 2, 32, trust=False),
        "ste": trained(32, 4, 2, 1, trust=False, scale="absmax"),
        "lsq": trained(32, 4, 2, 1, trust=False, scale="learned"),
    }
    errors, gradients = {}, {}
    for name, layer in arms.items():
        y_hat = layer.quantised(x).detach()
        if layer.block > 1:
            y_hat = rotate(y_hat, layer.matrix)  # H is symmetric
        errors[name] = float((y_hat - x).square().mean())
        given = x.clone().requires_grad_()
        torch.autograd.backward(layer(given).sum())
        gradients[name] = given.grad
    assert errors["quest"] == errors["no_trust"]
    assert errors["quest"] < errors["no_hadamard"]
    quest, all_of_it = gradients["quest"], gradients["no_trust"]
    assert quest is not None
    assert all_of_it is not None
    assert not torch.equal(quest, all_of_it)
    largest = arms["ste"].quantised(x).abs().amax(-1)
    torch.testing.assert_close(largest, x.abs().amax(-1))  # nothing is clipped
    steps = arms["lsq"].steps
    assert steps.grad is not None
    assert (steps.grad != 0).all()
    assert (steps > 0).all()


def test_lsq_learns_its_step_by_its_equations():
    layer = Quest(1, 16, 1, 2, 1, bias=False, trust=False, scale="learned")
    x = drawn(1, 8, 16)
    y_hat = layer.quantised(x)
    step = float(layer.steps.detach()[0, 0])
    assert step == pytest.approx(2 * float(x.abs().mean()) / 1.5**0.5, rel=1e-5)
    torch.autograd.backward(y_hat.sum())
    z = (x / step).double()
    nearest = (z.clamp(-1.5, 1.5) - 0.5).round() + 0.5
    each = torch.where(z.abs() <= 1.5, nearest - z, nearest)
    wanted = float(each.sum()) / (x.numel() * 1.5) ** 0.5
    assert layer.steps.grad is not None
    assert float(layer.steps.grad[0, 0]) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    ("bits", "block", "scale", "message"),
    [
        (9, 16, "rms", "9 bits: known are 1, 1.585"),
        (0, 16, "rms", "0 bits"),
        (2, 24, "rms", "block 24: must be a power of two >= 16"),
        (2, 8, "rms", "block 8"),
        (2, 16, "max", "scale 'max'"),
    ],
)
def test_layers_that_do_not_exist_are_refused(
    bits: float, block: int, scale: str, message: str
):
    with pytest.raises(ValueError, match=message):
        Quest(1, 16, 4, bits, block, scale=scale)
    if scale == "rms":
        with pytest.raises(ValueError, match=message):
            QuestLinear(1, 16, 4, bits, block)
