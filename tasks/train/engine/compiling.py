"""Compile what numba compiles before anybody waits for it.

``python -m tasks.train.engine.compiling`` runs every compiled loop once on a few rows;
``make setup`` does. The machine code stays beside the sources
(:mod:`tasks.artifacts.compiled`).
"""

import torch
from torch import nn

from tasks.nets.fitting import Loss, climb, fit
from tasks.nets.layers import MLP
from tasks.nets.optimisers import adam
from tasks.train.cores import losses


def compile_all() -> None:
    """Call every compiled loop, with what it is called with in training."""
    seeds, rows, inputs, actions = (0,), 4, 3, 2
    x, action = torch.rand(1, rows, inputs), torch.rand(1, rows, actions)
    weight, log_std = torch.rand(1, rows), nn.Parameter(torch.zeros(1, 1, actions))
    actor = MLP(seeds, "actor", (inputs, 4, 4, actions))
    critics = MLP(seeds, "critics", (inputs, 4, 4, 1), members=2)

    def squares(q: torch.Tensor) -> Loss:
        loss, errors = losses.bellman_fit(q, weight)
        losses.tails(weight, errors)
        return loss

    fit(adam(critics.parameters(), 0.0), critics, (x,), squares)
    climb(critics, (x[..., :1], x[..., 1:]))
    climb(critics, (x[..., :1], x[..., 1:]), lambda q: q.amin(1))
    fit(
        adam([*actor.parameters(), log_std], 0.0),
        actor,
        (x[..., :1], x[..., 1:]),
        lambda mean: losses.weighted_likelihood(mean, action, weight, log_std),
        [log_std],
    )
    losses.weighted_square(action, action, weight)
    losses.expectile_loss(weight, weight, 0.7)


if __name__ == "__main__":
    compile_all()
