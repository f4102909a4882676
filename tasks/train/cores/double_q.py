"""The core of deep Q-learning over discrete actions, with the double target.

Papers: Mnih et al. 2015, "Human-level control through deep reinforcement learning"
(Nature 518); van Hasselt, Guez & Silver 2016, "Deep Reinforcement Learning with Double
Q-learning" (arXiv 1509.06461), whose target chooses with one network and values with
the other:

    a* = argmax_a' Q(s', a')                        over the allowed actions
    y  = r + discount (1 - d) Qbar(s', a*)
    L  = mean Huber(Q(s, a) - y)                    threshold 1

d says that the episode terminated, Qbar is the target network, a copy of Q that is
renewed every ``target_every`` updates. The network is a categorical policy whose logits
are Q, so that its greedy action is the policy's.

Shapes: S seeds, B batch, O observation, A actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch
from torch import Tensor, nn

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Params, Range
from tasks.nets.feedforward import Feedforward
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import actor


@dataclass(frozen=True)
class QParams(Params):
    """Parameters of every method on this core.

    Attributes:
        critic_hidden: Units of each hidden layer of Q.
        discount: Per step.
        critic_rate: Learning rate.
        target_every: Updates between copies to the target network.
    """

    critic_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    discount: Annotated[Sweepable, Range(0, 1)]
    critic_rate: Annotated[Sweepable, Range(0, 1)]
    target_every: Annotated[int, Range(1, 10**9)]


AnyParams = TypeVar("AnyParams", bound=QParams)


class QLearner(Learner[AnyParams]):
    """A Q-network, its target network and the error between them."""

    actions = ("discrete",)

    def __init__(
        self, params: AnyParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.columns = ("next_legal",) if spaces.masked else ()
        self.q = actor(spaces, seeds, params.critic_hidden)
        self.target = frozen_copy(self.q, actor(spaces, seeds, params.critic_hidden))
        self.optimisers = {"q": adam(self.q.layers.parameters(), params.critic_rate)}

    def td_loss(self, q: Tensor, batch: Batch) -> Tensor:
        """Mean Huber loss, with threshold 1, of Q(s, a) against the double target.

        Args:
            q: Q of every action at the batch's observations, (S, B, A).
            batch: Of this update.

        Returns:
            (S,).
        """
        y = double_target(self.q, self.target, batch, self.params.discount)
        chosen = (q * batch.action).sum(-1)
        return nn.functional.smooth_l1_loss(chosen, y, reduction="none").mean(-1)

    def renew_target(self, step: int) -> None:
        """Copy Q to its target network if update number ``step`` is a time for it."""
        if (step + 1) % self.params.target_every == 0:
            polyak(self.target.layers, self.q.layers, 1.0)

    def policy(self) -> Feedforward:
        """The greedy policy: its logits are Q."""
        return self.q


def double_target(
    q: Feedforward, target: Feedforward, batch: Batch, discount: float
) -> Tensor:
    """What Q(s, a) should be: y = r + discount (1 - d) Qbar(s', argmax_a' Q(s', a')).

    Args:
        q: The network that is trained; it chooses among the allowed actions.
        target: The target network, Qbar.
        batch: Of this update.
        discount: Per step, in [0, 1].

    Returns:
        (S, B), without gradient.
    """
    legal = batch.columns.get("next_legal")
    with torch.no_grad():
        best = q.logits(batch.next_observation, legal).argmax(-1, keepdim=True)
        after = target.logits(batch.next_observation).gather(-1, best).squeeze(-1)
    return batch.reward + discount * (1 - batch.terminated) * after
