"""The core of implicit Q-learning; a method brings the loss of its value.

Paper: Kostrikov, Nair & Levine 2021, "Offline Reinforcement Learning with Implicit
Q-Learning" (arXiv 2110.06169). With target critics Qbar, d for a termination and
advantage u = min_i Qbar_i(s, a) - V(s):

    L_V  = mean |tau - 1(u < 0)| u^2                                    eq. 5
    L_Q  = mean_i mean (r + discount (1 - d) V(s') - Q_i(s, a))^2       eq. 6
    L_pi = -mean min(exp(beta u), weight_max) log pi(a | s)             eq. 7

Then Qbar <- (1 - polyak) Qbar + polyak Q. No network is ever asked about an action that
was not logged. Eq. 5 is IQL's own; other methods on this core replace it. The weights'
cap and the actor's learning rate, which falls to 0 as a cosine, are known from the
authors' code.

Reference implementation: CORL ``iql.py``; as there, critics and actor see the value
before its step (unless a method sets ``new_value``), and ``policy: deterministic``
regresses, ||pi(s) - a||^2 in place of -log pi(a | s), where ``gaussian`` maximises the
likelihood. With discrete actions it is always the likelihood among the allowed ones,
and the critics give Q of every action.

Shapes: S seeds, B batch, O observation, A action, E critics.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import PARAMS, OneOf, Range
from tasks.nets.fitting import Loss, fit, outputs
from tasks.nets.layers import MLP
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    actor,
    log_likelihood,
)
from tasks.train.cores.losses import (
    bellman_fit,
    tails,
    weighted_likelihood,
    weighted_square,
)

RETURN_RANGE = 1000.0  # what ``reward_scale: return_range`` stretches returns to


@dataclass(frozen=True)
class ImplicitParams(ActorCriticParams):
    """Parameters of every method on this core.

    Attributes:
        beta: Inverse temperature of the actor's weights, per unit of scaled return.
        weight_max: Cap of those weights.
        policy: ``deterministic`` or ``gaussian``.
        reward_scale: ``return_range``, so that returns span 1000, or ``none``.
    """

    beta: Annotated[Sweepable, Range(0, 1e9)]
    weight_max: Annotated[Sweepable, Range(0, 1e12, open=True)]
    policy: Annotated[str, OneOf(("deterministic", "gaussian"))]
    reward_scale: Annotated[str, OneOf(("return_range", "none"))]


AnyParams = TypeVar("AnyParams", bound=ImplicitParams)


class ImplicitQ(Learner[AnyParams]):
    """A value fitted to critics at logged actions, Bellman critics, weighted cloning.

    A method on this core defines :meth:`value_loss`, and may replace
    :meth:`initialise`, :meth:`cautious_q`, :meth:`backup`, :meth:`critic_loss`
    and :meth:`more_metrics`.

    Args:
        params: Parameters of the method.
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        updates: How many there will be, for the actor's learning rate.
        members: E.

    Attributes:
        value_norm: Where the value network's hidden layers are normalised: ``none``,
            ``before`` or ``after`` the activation.
        new_value: Whether critics and actor see the value after its step.
    """

    value_norm: ClassVar[str] = "none"
    new_value: ClassVar[bool] = False

    def __init__(
        self,
        params: AnyParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
        members: int = 2,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
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
            self.log_std = nn.Parameter(log_std)  # the same in every state
            trained.append(self.log_std)
        self.optimisers = {
            "actor": adam(trained, params.actor_rate),
            "critics": adam(self.critics.parameters(), params.critic_rate),
            "value": adam(self.value.parameters(), params.critic_rate),
        }

    def initialise(self) -> None:
        """Change the initial weights of the critics; by default keep them."""

    @abstractmethod
    def value_loss(self, q: Tensor, v: Tensor) -> Loss:
        """What the value network descends, with its gradient by V(s).

        Args:
            q: Q of the logged action by the target critics, (S, B).
            v: V(s), (S, B).
        """

    def cautious_q(self, q: Tensor) -> Tensor:
        """A low value among the target critics, here the least: (S, E, B) -> (S, B)."""
        return q.amin(1)

    def backup(self, batch: Batch, v_next: Tensor) -> Tensor:
        """The critics' target, y = r + discount (1 - d) V(s').

        Args:
            batch: Of this update.
            v_next: V(s'), (S, B).

        Returns:
            (S, B).
        """
        discount = self.params.discount * (1 - batch.terminated)
        return batch.reward + discount * v_next

    def critic_loss(self, q: Tensor, y: Tensor) -> tuple[Loss, Tensor]:
        """What the critics descend, here the mean squared Bellman error (eq. 6).

        Args:
            q: (S, E, B).
            y: (S, B).

        Returns:
            The loss with its gradient by Q, and that of each error, (S, E, B).
        """
        return bellman_fit(q, y, 1 / self.critics.net.members)

    def more_metrics(self, batch: Batch, q: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Metrics of the method's own for the curves.

        Args:
            batch: Of this update.
            q: Target critics at the logged actions, (S, E, B).
            y: The critics' targets, (S, B).

        Returns:
            (S,) each; none by default.
        """
        del batch, q, y
        return {}

    def _imitate(self, batch: Batch, weight: Tensor) -> Tensor:
        """Step the actor down eq. 7, its rows weighted by (S, B); the loss, (S,)."""
        optimiser, o, a = self.optimisers["actor"], batch.observation, batch.action
        if self.spaces.discrete:
            legal = batch.columns.get("legal")
            with torch.enable_grad():
                error = -log_likelihood(self.actor, o, a, legal)
                loss = (weight * error).mean(-1)
                self.descend("actor", loss)
            return loss.detach()
        if self.params.policy == "deterministic":
            return fit(
                optimiser, self.actor, (o,), lambda pi: weighted_square(pi, a, weight)
            )[0]
        return fit(
            optimiser,
            self.actor,
            (o,),
            lambda pi: weighted_likelihood(pi, a, weight, self.log_std),
            [self.log_std],
        )[0]

    def rewards(self, reward: Tensor, returns: Tensor) -> Tensor:
        """Scale rewards so that the best and the worst episode are 1000 apart, (N,)."""
        if self.params.reward_scale == "none":
            return reward
        spread = float(returns.max() - returns.min())
        if not spread > 0:
            key = ".".join((*self.method(), "reward_scale"))
            raise RefusedError(
                PARAMS,
                key,
                "return_range, while all episodes return the same",
                "a dataset with different returns",
                f"set {key} to none",
            )
        return reward * (RETURN_RANGE / spread)

    @torch.no_grad()
    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step value, critics and their target, then the actor (eqs. 5 to 7)."""
        p, o, a = self.params, batch.observation, batch.action
        members = self.target(o, a)  # (S, E, B)
        q = self.cautious_q(members)  # (S, B)
        if not self.new_value:
            v_next = outputs(self.value, batch.next_observation)
        value_loss, v = fit(
            self.optimisers["value"], self.value, (o,), lambda v: self.value_loss(q, v)
        )
        if self.new_value:
            v = outputs(self.value, o)
            v_next = outputs(self.value, batch.next_observation)

        y = self.backup(batch, v_next)
        errors = y

        def bellman(q: Tensor) -> Loss:
            nonlocal errors
            loss, errors = self.critic_loss(q, y)
            return loss

        optimisers = self.optimisers
        critic_loss, _ = self.critics.fit(optimisers["critics"], o, a, bellman)
        polyak(self.target, self.critics, p.polyak)

        weight = (p.beta * (q - v)).exp().clamp(max=p.weight_max)
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.updates))
        optimisers["actor"].rate = p.actor_rate * cosine
        actor_loss = self._imitate(batch, weight)
        heavy, share = tails(y, errors)
        return {
            "value_loss": value_loss,
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "value": v.mean(-1),
            "target_kurtosis": heavy,
            "tail_share": share,
            **self.more_metrics(batch, members, y),
        }

    def policy(self) -> Policy:
        """The trained actor; of a gaussian one its mean."""
        return self.actor
