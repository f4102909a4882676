"""Steps along a trace: by hand, and that they do not overshoot."""

import pytest
import torch

from tasks.learn.cores import obgd
from tasks.learn.cores.streaming_network import StreamingNetwork


def test_a_bounded_step_by_hand():
    trace = torch.tensor([[1.0, -2.0], [0.1, 0.1]])
    delta = torch.tensor([-3.0, 0.5])
    size = obgd.bounded(trace, delta, rate=1.0, kappa=2.0)
    # |z| is 3 and 0.2; max(|delta|, 1) is 3 and 1
    torch.testing.assert_close(size, torch.tensor([1 / 18, 1.0]))
    weights = torch.zeros(2, 2)
    obgd.step(weights, trace, delta, size)
    expected = torch.tensor([[-1 / 6, 1 / 3], [0.05, 0.05]])
    torch.testing.assert_close(weights, expected)
    obgd.decay(trace, torch.ones(2, 2), 0.5)
    torch.testing.assert_close(trace, torch.tensor([[1.5, 0.0], [1.05, 1.05]]))


@pytest.mark.parametrize(("kappa", "least", "most"), [(2.0, 0, 0.02), (0.0, 0.3, 1)])
def test_a_bounded_step_does_not_overshoot(kappa: float, least: float, most: float):
    """After a step its error on the same target has kept its sign."""
    g = torch.Generator().manual_seed(0)
    network = StreamingNetwork(range(200), (4, 8, 8, 1), True, 0.9, "value")
    x, target = (torch.randn(200, 1, n, generator=g) for n in (4, 1))
    weights = network.weights.clone().requires_grad_()
    value = network(x, weights)[:, 0, 0]
    (gradient,) = torch.autograd.grad(value.sum(), weights)
    delta = 5 * target[:, 0, 0] - value.detach()
    size = obgd.bounded(gradient, delta, 1.0, kappa)
    obgd.step(network.weights, gradient, delta, size)
    after = 5 * target[:, 0, 0] - network(x)[:, 0, 0]
    share = float((after.sign() != delta.sign()).float().mean())
    assert least <= share <= most
