"""What learners of Q(s, .) over discrete actions share: double Q-learning.

Mnih et al. 2015 (Nature 518) with the target of van Hasselt, Guez & Silver 2016
(arXiv 1509.06461). The network is a categorical policy whose logits are Q.

Shapes: S seeds, B batch, O observation, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from tasks.artifacts.params import Params, Range
from tasks.nets.feedforward import Feedforward
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import actor, adam, frozen_copy, polyak


@dataclass(frozen=True)
class QParams(Params):
    """What every such learner's YAML says."""

    critic_hidden: Annotated[tuple[int, ...], Range(1)]
    discount: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]
    target_every: Annotated[int, Range(1)]


class QLearner(Learner):
    """A Q-network, its target copied every ``target_every`` updates, and their loss."""

    actions = ("discrete",)

    def __init__(
        self, params: QParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.discount, self.target_every = params.discount, params.target_every
        self.columns = ("next_legal",) if spaces.masked else ()
        self.q = actor(spaces, seeds, params.critic_hidden)
        self.target = frozen_copy(self.q, actor(spaces, seeds, params.critic_hidden))
        self.optimisers = {"q": adam(self.q.layers.parameters(), params.critic_rate)}

    def td_loss(self, q: Tensor, batch: Batch) -> Tensor:
        """Mean Huber loss, threshold 1, of Q(s, a) against its target.

        Args:
            q: (S, B, A), of the batch's observations.
            batch: See :class:`Batch`.

        Returns:
            (S,).
        """
        y = double_target(self.q, self.target, batch, self.discount)
        chosen = (q * batch.action).sum(-1)
        return nn.functional.smooth_l1_loss(chosen, y, reduction="none").mean(-1)

    def follow(self, step: int) -> None:
        """Copy the network to its target when it is time."""
        if (step + 1) % self.target_every == 0:
            polyak(self.target.layers, self.q.layers, 1.0)

    def policy(self) -> Feedforward:
        """The greedy policy: its logits are Q."""
        return self.q


def double_target(
    q: Feedforward, target: Feedforward, batch: Batch, discount: float
) -> Tensor:
    """What Q(s, a) shall be: r + discount (1 - terminated) Q_target(s', a').

    a' is the allowed action that the network itself thinks best.

    Returns:
        (S, B), without gradient.
    """
    legal = batch.columns.get("next_legal")
    with torch.no_grad():
        best = q.logits(batch.next_observation, legal).argmax(-1, keepdim=True)
        after = target.logits(batch.next_observation).gather(-1, best).squeeze(-1)
    return batch.reward + discount * (1 - batch.terminated) * after
