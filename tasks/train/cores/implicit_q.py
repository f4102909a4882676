"""The core of implicit Q-learning; a method brings the loss of its value.

Paper: Kostrikov, Nair & Levine 2021, "Offline Reinforcement Learning with Implicit
Q-Learning" (arXiv 2110.06169). Reference implementation: CORL ``iql.py``; as there,
critics and actor see the value before its step (unless a method sets ``new_value``),
and ``policy: deterministic`` regresses where ``gaussian`` maximises likelihood. Of
discrete actions it is always the likelihood, of the allowed ones, and the critics give
Q of all of them and pick.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Range
from tasks.nets.layers import MLP
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    actor,
    adam,
    frozen_copy,
    log_likelihood,
    normal_surprise,
    polyak,
)

TAIL = 0.01  # share of a batch's rows that tail_share looks at, at least one
TINY = 1e-30  # instead of a division by 0
RETURN_RANGE = 1000.0  # what ``reward_scale: return_range`` stretches returns to


@dataclass(frozen=True)
class ImplicitParams(ActorCriticParams):
    """What every method on this core has; see params/train/iql.yaml."""

    beta: Annotated[float, Range(0)]
    weight_max: Annotated[float, Range(0, open=True)]
    policy: Annotated[str, OneOf(("deterministic", "gaussian"))]
    reward_scale: Annotated[str, OneOf(("return_range", "none"))]


def expectile_loss(q: Tensor, v: Tensor, expectile: float) -> Tensor:
    """Mean of |tau - 1(u < 0)| u^2 with u = Q - V: (S, B) each -> (S,)."""
    u = q - v
    below = (u.detach() < 0).float()
    return ((expectile - below).abs() * u.square()).mean(-1)


def kurtosis(y: Tensor) -> Tensor:
    """Fourth moment over the squared second, 3 of a normal: (S, B) -> (S,).

    Heavy tails of the critics' targets show in it. 0 where all are equal.
    """
    squares = (y - y.mean(-1, keepdim=True)).square()
    return squares.square().mean(-1) / squares.mean(-1).square().clamp(min=TINY)


def tail_share(errors: Tensor) -> Tensor:
    """Share of the loss in the hundredth of the rows with most: (S, B) -> (S,)."""
    most = errors.topk(max(1, round(TAIL * errors.shape[-1])), sorted=False).values
    return most.sum(-1) / errors.sum(-1).clamp(min=TINY)


class ImplicitQ(Learner):
    """A value fitted to critics at logged actions, Bellman critics, weighted cloning.

    A method on this core defines :meth:`value_loss`, and may replace
    :meth:`initialise`, :meth:`q_low`, :meth:`backup`, :meth:`errors`,
    :meth:`critic_loss`, :meth:`surprise` and :meth:`figures`.

    Args:
        params: Of the method.
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        updates: How many there will be.
        members: E.
    """

    value_norm: ClassVar[str] = "none"  # of the value network, see ``layers.MLP``
    new_value: ClassVar[bool] = False  # critics and actor see the value's new weights

    def __init__(
        self,
        params: ImplicitParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
        members: int = 2,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.params = params
        self.columns = ("legal",) if spaces.masked else ()
        self.actor = actor(spaces, seeds, params.actor_hidden)  # mean, tanh
        self.critics = Critics(spaces, seeds, params.critic_hidden, members)
        self.initialise()
        self.target = frozen_copy(
            self.critics, Critics(spaces, seeds, params.critic_hidden, members)
        )
        widths = (spaces.observation, *params.critic_hidden, 1)
        self.value = MLP(seeds, "value", widths, norm=self.value_norm)
        trained = list(self.actor.parameters())
        if params.policy == "gaussian" and not spaces.discrete:
            log_std = torch.zeros(len(seeds), 1, spaces.action)
            self.log_std = nn.Parameter(log_std)  # of no state
            trained.append(self.log_std)
        self.optimisers = {
            "actor": adam(trained, params.actor_rate),
            "critics": adam(self.critics.parameters(), params.critic_rate),
            "value": adam(self.value.parameters(), params.critic_rate),
        }

    def initialise(self) -> None:
        """Change the first weights of the critics; by default keep them."""

    @abstractmethod
    def value_loss(self, q: Tensor, v: Tensor) -> Tensor:
        """What the value descends.

        Args:
            q: (S, B), Q of the logged action, from the target; no gradient.
            v: (S, B), V(s), with its gradient.

        Returns:
            (S,).
        """

    def q_low(self, q: Tensor) -> Tensor:
        """One cautious number of the target's members: (S, E, B) -> (S, B)."""
        return q.amin(1)

    def backup(self, batch: Batch, v_next: Tensor) -> Tensor:
        """The critics' target, r + discount (1 - d) V(s'): V(s') (S, B) -> (S, B)."""
        going_on = self.params.discount * (1 - batch.terminated)
        return batch.reward + going_on * v_next

    def errors(self, q: Tensor, y: Tensor) -> Tensor:
        """Bellman errors, here squared: (S, E, B) and targets (S, B) -> (S, E, B)."""
        return (q - y.unsqueeze(1)).square()

    def critic_loss(self, errors: Tensor) -> Tensor:
        """What the critics descend, their mean: (S, E, B) -> (S,)."""
        return errors.mean(-1).sum(-1) / self.critics.net.members

    def figures(self, batch: Batch, q: Tensor, y: Tensor) -> dict[str, Tensor]:
        """More of the method's own for the curves.

        Args:
            batch: See :class:`tasks.train.Batch`.
            q: (S, E, B), the target's members at the logged actions.
            y: (S, B), the critics' target.

        Returns:
            (S,) each; none by default.
        """
        del batch, q, y
        return {}

    def surprise(self, observation: Tensor, action: Tensor) -> Tensor:
        """-log pi(a | s), or ||pi(s) - a||^2 if deterministic: (S, B)."""
        error = self.actor.squashed(observation) - action  # (S, B, A)
        if self.params.policy == "deterministic":
            return error.square().sum(-1)
        return normal_surprise(error, self.log_std)

    def rewards(self, reward: Tensor, returns: Tensor) -> Tensor:
        """Scale so that the best and the worst episode are 1000 apart."""
        if self.params.reward_scale == "none":
            return reward
        spread = float(returns.max() - returns.min())
        if not spread > 0:
            key = f"train.{type(self).__module__.rpartition('.')[2]}.reward_scale"
            raise RefusedError(
                PARAMS,
                key,
                "return_range, while all episodes return the same",
                "a dataset with different returns",
                f"set {key} to none",
            )
        return reward * (RETURN_RANGE / spread)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Value, critics with their target, then actor (eqs. 5-7)."""
        p, o, a = self.params, batch.observation, batch.action
        with torch.no_grad():
            members = self.target(o, a)  # (S, E, B)
            q = self.q_low(members)  # (S, B)
            if not self.new_value:
                v_next = self.value(batch.next_observation).squeeze(-1)
        v = self.value(o).squeeze(-1)
        value_loss = self.value_loss(q, v)
        self.descend("value", value_loss)
        v = v.detach()
        if self.new_value:
            with torch.no_grad():
                v = self.value(o).squeeze(-1)
                v_next = self.value(batch.next_observation).squeeze(-1)

        y = self.backup(batch, v_next)
        errors = self.errors(self.critics(o, a), y)
        critic_loss = self.critic_loss(errors)
        self.descend("critics", critic_loss)
        polyak(self.target, self.critics, p.polyak)

        weight = (p.beta * (q - v)).exp().clamp(max=p.weight_max)
        if self.spaces.discrete:
            surprise = -log_likelihood(self.actor, o, a, batch.columns.get("legal"))
        else:
            surprise = self.surprise(o, a)
        actor_loss = (weight * surprise).mean(-1)
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.updates))
        self.optimisers["actor"].param_groups[0]["lr"] = p.actor_rate * cosine
        self.descend("actor", actor_loss)
        return {
            "value_loss": value_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "value": v.mean(-1),
            "target_kurtosis": kurtosis(y),
            "tail_share": tail_share(errors.detach().mean(1)),
            **self.figures(batch, members, y),
        }

    def policy(self) -> Policy:
        """The actor; of a gaussian one its mean."""
        return self.actor
