"""EDAC: SAC-N with fewer critics, whose action gradients are pushed apart.

Paper: An et al. 2021, "Uncertainty-Based Offline Reinforcement Learning with
Diversified Q-Ensemble" (arXiv 2110.01548), eq. 8, with g_i = grad_a Q_i(s, a) scaled to
length 1:

    L = L_Q + eta / (E - 1) mean sum_{i != j} <g_i, g_j>

L_Q, actor and temperature are those of SAC-N (``cores/soft_actor_critic.py``).
Reference implementation: CORL ``edac.py``. One forward pass gives the Bellman errors
and, differentiated twice, the gradients of all critics.

Shapes: S seeds, B batch, O observation, A action, E critics.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.train import Batch
from tasks.train.cores.actor_critic import Critics, bellman_loss
from tasks.train.cores.soft_actor_critic import EnsembleParams, SoftEnsemble

SMALLEST = 1e-10  # added to a gradient's norm before dividing, as the reference does


@dataclass(frozen=True)
class EDACParams(EnsembleParams):
    """Parameters of EDAC; units and ranges stand in params/train/edac.yaml."""

    eta: Annotated[Sweepable, Range(0, 1e9)]


class EDAC(SoftEnsemble[EDACParams]):
    """SAC-N plus eta times the similarity of the critics' action gradients."""

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Bellman errors summed over critics plus the penalty (S,), and Q (S, E, B)."""
        q, gradients = action_gradients(self.critics, batch.observation, batch.action)
        loss = bellman_loss(q, self.backup(batch))
        return loss + self.params.eta * similarity(gradients), q


def action_gradients(
    critics: Critics, observation: Tensor, action: Tensor
) -> tuple[Tensor, ...]:
    """Q(s, a) and its gradient by the action, both differentiable by the weights.

    Args:
        critics: ReLU networks without norms.
        observation: (S, B, O).
        action: (S, B, A).

    Returns:
        (S, E, B) and (S, E, B, A).
    """
    members = critics.net.members
    # a copy of the action for each critic: one backward pass of the summed Q's then
    # gives every critic's own gradient
    own = action.unsqueeze(1).repeat(1, members, 1, 1).requires_grad_()
    x = torch.cat([observation.unsqueeze(1).expand(-1, members, -1, -1), own], dim=-1)
    x = x.flatten(0, 1)  # (S*E, B, O+A)
    for i, layer in enumerate(critics.net.layers):
        x = layer(torch.relu(x) if i else x)
    q = x.view(own.shape[:-1])
    (gradient,) = torch.autograd.grad(q.sum(), own, create_graph=True)
    return q, gradient


def similarity(gradients: Tensor) -> Tensor:
    """Similarity of gradients, 1/(E-1) mean sum_{i != j} <g_i, g_j>, lengths set to 1.

    Computed without pairs, as ||sum_i g_i||^2 - sum_i ||g_i||^2.

    Args:
        gradients: (S, E, B, A).

    Returns:
        (S,), at most E, where all point the same way; 0 where they are orthogonal.
    """
    g = gradients / (gradients.norm(dim=-1, keepdim=True) + SMALLEST)
    together = g.sum(1).square().sum(-1)  # (S, B)
    alone = g.square().sum((1, 3))
    return (together - alone).mean(-1) / (gradients.shape[1] - 1)
