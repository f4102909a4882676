"""EDAC: SAC-N with fewer critics, whose action gradients are pushed apart.

Paper: An et al. 2021, "Uncertainty-Based Offline Reinforcement Learning with
Diversified Q-Ensemble" (arXiv 2110.01548), eq. 8. Reference implementation: CORL
``edac.py``. The gradients of all critics come out of the pass that also gives the
Bellman errors, written as products of weights, so that no graph is differentiated
twice; the same numbers as double backward, as tests compare.

Shapes: S seeds, B batch, O observation, A action, E critics, H hidden.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tasks.artifacts.params import Range
from tasks.train import Batch
from tasks.train._core import Critics, bellman_loss
from tasks.train._sac import EnsembleParams, SoftEnsemble

SMALLEST = 1e-10  # added to a gradient's norm before dividing, as the reference does


@dataclass(frozen=True)
class EDACParams(EnsembleParams):
    """See params/train/edac.yaml for units and ranges."""

    eta: Annotated[float, Range(0)]


class EDAC(SoftEnsemble[EDACParams]):
    """SAC-N plus eta times the likeness of the critics' action gradients."""

    Parameters = EDACParams

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum over critics of the Bellman errors, plus eta times the likeness."""
        q, gradients = slopes(self.critics, batch.observation, batch.action)
        loss = bellman_loss(q, self.backup(batch))
        return loss + self.params.eta * likeness(gradients), q


def slopes(critics: Critics, observation: Tensor, action: Tensor) -> tuple[Tensor, ...]:
    """Q(s, a) and its gradient by the action, both differentiable by the weights.

    Args:
        critics: ReLU networks.
        observation: (S, B, O).
        action: (S, B, A).

    Returns:
        (S, E, B) and (S, E, B, A).
    """
    seeds, members = len(action), critics.net.members
    x = torch.cat([observation, action], dim=-1).unsqueeze(1)
    x = x.expand(-1, members, -1, -1).flatten(0, 1)  # (S*E, B, O+A)
    *hidden, last = critics.net.layers
    active = []  # where a ReLU lets its gradient through, (S*E, B, H) each
    for layer in hidden:
        x = torch.relu(layer(x))
        active.append(x.detach().sign())
    q = last(x)
    slope = last.weight.mT  # (S*E, 1, H), the same for all rows
    for layer, open_ in zip(reversed(hidden), reversed(active), strict=True):
        weight = layer.weight
        if layer is hidden[0]:
            weight = weight[:, -action.shape[-1] :]
        slope = torch.bmm(slope * open_, weight.mT)
    if not hidden:
        slope = slope[..., -action.shape[-1] :].expand(-1, action.shape[1], -1)
    shape = (seeds, members, -1)
    return q.view(shape), slope.reshape(*shape, action.shape[-1])


def likeness(gradients: Tensor) -> Tensor:
    """1/(E-1) mean over B of the sum over i != j of <g_i, g_j>, each of length 1.

    Summed without pairs: ||sum_i g_i||^2 - sum_i ||g_i||^2.

    Args:
        gradients: (S, E, B, A).

    Returns:
        (S,), at most E, where all point the same way; 0 where they are orthogonal.
    """
    g = gradients / (gradients.norm(dim=-1, keepdim=True) + SMALLEST)
    together = g.sum(1).square().sum(-1)  # (S, B)
    alone = g.square().sum((1, 3))
    return (together - alone).mean(-1) / (gradients.shape[1] - 1)
