"""What the tests of methods on the soft actor-critic core share."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from . import harness


def tanh_gaussian(
    ref: harness.Reference, o: Tensor, noise: Tensor, low: float = -5, high: float = 2
) -> tuple[Tensor, Tensor]:
    """Action and log likelihood by the textbook: log N - log(1 - tanh^2)."""
    mean, log_std = ref.net("actor", o).chunk(2, -1)
    std = log_std.clamp(low, high).exp()
    u = mean + std * noise
    assert u.abs().max() < 12  # beyond, 1 - tanh^2 has too few digits
    log_pi = Normal(mean, std).log_prob(u) - torch.log(1 - torch.tanh(u) ** 2)
    return torch.tanh(u), log_pi.sum(-1)


def lively(learner: Any) -> Any:
    """Weights that matter: no critic always the smallest, targets of their own."""
    g = torch.Generator().manual_seed(2)
    s = len(learner.seeds)
    with torch.no_grad():
        learner.log_temperature.copy_(torch.linspace(-0.4, 0.3, s))
        for net, size in ((learner.actor, 0.3), (learner.critics.net, 2.0)):
            last = net.layers[-1].weight
            last.copy_(size * torch.randn(last.shape, generator=g))
            for layer in net.layers[:-1]:  # no ReLU sits at its kink for dead inputs
                layer.bias.add_(0.1 * torch.randn(layer.bias.shape, generator=g))
        learner.target.load_state_dict(learner.critics.state_dict())
        for parameter in learner.target.parameters():
            parameter.mul_(1.3).add_(0.05)
    return learner
