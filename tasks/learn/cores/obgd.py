"""ObGD: steps along an eligibility trace that never overshoot their own target.

Paper: Elsayed, Vasan, Mahmood 2024, "Streaming Deep Reinforcement Learning Finally
Works" (arXiv 2410.14606), algorithm 3. With weights w of one network, its trace z, the
TD error delta of a step and the gradient g of what is predicted:

    z <- discount trace z + g
    M  = rate kappa max(|delta|, 1) |z|_1          over all weights of the network
    w <- w + rate / max(M, 1) delta z

Every seed has a trace and a norm of its own.

Shapes: S seeds, P weights of a network.
"""

import torch
from torch import Tensor


def decay(trace: Tensor, gradient: Tensor, share: float) -> None:
    """Renew a trace in place, z <- share z + g: (S, P) each."""
    trace.mul_(share).add_(gradient)


def bounded(trace: Tensor, delta: Tensor, rate: float, kappa: float) -> Tensor:
    """The step size that does not overshoot, (S,).

    Args:
        trace: (S, P).
        delta: TD errors, (S,).
        rate: The step size where nothing has to be bounded.
        kappa: Above 1, a margin for the curvature of the network.
    """
    norm = trace.abs().sum(1)
    bound = rate * kappa * delta.abs().clamp(min=1) * norm
    return rate / bound.clamp(min=1)


def step(weights: Tensor, trace: Tensor, delta: Tensor, size: Tensor) -> None:
    """Take the step in place, w <- w + size delta z.

    Args:
        weights: (S, P).
        trace: (S, P).
        delta: (S,).
        size: (S,), 0 for a seed that does not step.
    """
    with torch.no_grad():
        weights.add_((size * delta)[:, None] * trace)
