"""Tanh-gaussian soft actor-critic: what SAC and the methods built on it share.

Papers: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv
1812.05905); for the large ensembles An et al. 2021, "Uncertainty-Based Offline
Reinforcement Learning with Diversified Q-Ensemble" (arXiv 2110.01548). Reference
implementations: CleanRL ``sac_continuous_action.py``, CORL ``sac_n.py``.

A method overrides what it changes:

| method | what it says | default |
|---|---|---|
| ``initialise`` | first weights | as torch.nn.Linear |
| ``value_next`` | what the backup puts in for s' | min Qbar(s', a') - alpha log pi |
| ``critic_loss`` | of all critics | sum over critics of the mean squared error |
| ``actor_loss`` | of sampled actions | alpha log pi - min Q(s, a) |
| ``temperature_loss`` | of their likelihood | alpha (entropy - goal) |
| ``update`` | the order of the steps | critics, actor, temperature, targets |

Shapes: S seeds, B batch, O observation, A action, E critics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, Range
from tasks.artifacts.seeding import generator
from tasks.nets.critic import Critic
from tasks.nets.feedforward import LOG_STD_RANGE
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    actor,
    adam,
    bellman_loss,
    frozen_copy,
    gentle_start,
    polyak,
    sample_tanh_gaussian,
    trained_critic,
)


@dataclass(frozen=True)
class SoftParams(ActorCriticParams):
    """What every method on this core has."""

    target_entropy_scale: Annotated[float, Range(0)]


AnyParams = TypeVar("AnyParams", bound=SoftParams)


class SoftActorCritic(Learner, Generic[AnyParams]):
    """Soft actor-critic with an ensemble of critics and a learned temperature.

    Args:
        params: Of the method.
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        updates: How many there will be.
        members: E.
    """

    noise = ("next", "current")
    log_std_range: ClassVar[tuple[float, float]] = LOG_STD_RANGE

    def __init__(
        self,
        params: AnyParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
        members: int = 2,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        p = self.params = params
        self.actor = actor(
            spaces, seeds, p.actor_hidden, "gaussian", self.log_std_range
        )
        self.critics = Critics(spaces, seeds, p.critic_hidden, members)
        self.initialise()
        self.target = frozen_copy(
            self.critics, Critics(spaces, seeds, p.critic_hidden, members)
        )
        self.log_temperature = nn.Parameter(torch.zeros(len(seeds)))
        self.optimisers = {
            "actor": adam(self.actor.parameters(), p.actor_rate),
            "critics": adam(self.critics.parameters(), p.critic_rate),
            "temperature": adam([self.log_temperature], p.critic_rate),
        }

    def initialise(self) -> None:
        """Change the first weights of actor and critics; by default keep them."""

    def temperature(self) -> Tensor:
        """alpha, (S, 1), without gradient."""
        return self.log_temperature.detach().exp()[:, None]

    def value_next(self, batch: Batch) -> Tensor:
        """What the backup puts in for the next observation, (S, B); no gradient."""
        a, log_pi = sample_tanh_gaussian(
            self.actor, batch.next_observation, batch.noise["next"]
        )
        q = self.target(batch.next_observation, a).amin(1)
        return q - self.temperature() * log_pi

    def backup(self, batch: Batch) -> Tensor:
        """The critics' aim, r + discount (1 - d) value_next: (S, B)."""
        with torch.no_grad():
            going_on = self.params.discount * (1 - batch.terminated)
            return batch.reward + going_on * self.value_next(batch)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Summed over critics (S,), and their values at logged actions (S, E, B)."""
        q = self.critics(batch.observation, batch.action)
        return bellman_loss(q, self.backup(batch)), q

    def actor_loss(self, observation: Tensor, a: Tensor, log_pi: Tensor) -> Tensor:
        """Of actions sampled with gradient: (S, B, O), (S, B, A), (S, B) -> (S,)."""
        q = self.critics(observation, a).amin(1)
        return (self.temperature() * log_pi - q).mean(-1)

    def temperature_loss(self, log_pi: Tensor) -> Tensor:
        """Raises alpha where the entropy is below its goal: (S, B) -> (S,)."""
        return self.log_temperature.exp() * self.entropy_gap(log_pi)

    def entropy_gap(self, log_pi: Tensor) -> Tensor:
        """Entropy less its goal, -scale x A; without gradient: (S, B) -> (S,)."""
        goal = -self.params.target_entropy_scale * self.spaces.action
        return -log_pi.detach().mean(-1) - goal

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Critics, then actor, then temperature, then targets (eqs. 5-9, 18)."""
        del step
        critic_loss, q = self.critic_loss(batch)
        self.descend("critics", critic_loss)
        a, log_pi = sample_tanh_gaussian(
            self.actor, batch.observation, batch.noise["current"]
        )
        actor_loss = self.actor_loss(batch.observation, a, log_pi)
        self.descend("actor", actor_loss)
        self.descend("temperature", self.temperature_loss(log_pi))
        polyak(self.target, self.critics, self.params.polyak)
        return metrics(critic_loss, actor_loss, log_pi, q)

    def policy(self) -> Policy:
        """The gaussian actor; its noise is an explicit input."""
        return self.actor


def metrics(
    critic_loss: Tensor, actor_loss: Tensor, log_pi: Tensor, q: Tensor
) -> dict[str, Tensor]:
    """The curves of every method on this core, (S,) each.

    Args:
        critic_loss: (S,).
        actor_loss: (S,).
        log_pi: Of the actions sampled at the logged observations, (S, B).
        q: At the logged actions, (S, E, B).
    """
    return {
        "critic_loss": critic_loss.detach(),
        "actor_loss": actor_loss.detach(),
        "entropy": -log_pi.detach().mean(-1),
        "value": q.detach().mean((1, 2)),
    }


@dataclass(frozen=True)
class EnsembleParams(SoftParams):
    """What methods that live on the disagreement of many critics have."""

    members: int

    def __post_init__(self) -> None:
        """Refuse an ensemble that cannot disagree."""
        super().__post_init__()
        if self.members < 2:
            raise RefusedError(
                PARAMS,
                "members",
                self.members,
                "an ensemble of 2 critics or more, as one has nobody to disagree with",
                MEND,
            )


AnyEnsemble = TypeVar("AnyEnsemble", bound=EnsembleParams)


class SoftEnsemble(SoftActorCritic[AnyEnsemble]):
    """SAC-N: the smallest of N critics is the caution (An et al. 2021, section 3).

    Order and first weights as in the reference code: biases of hidden layers 0.1, last
    layer of the critics U(-3e-3, 3e-3) and of the actor U(-1e-3, 1e-3); the temperature
    steps first and the others use the new one. One action a state serves temperature
    and actor, where the reference code samples twice.
    """

    def __init__(
        self,
        params: AnyEnsemble,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates, params.members)

    def initialise(self) -> None:
        """See the class."""
        draws = [generator(seed, "last layers") for seed in self.seeds]
        for layers, bound in (
            (self.actor.layers, 1e-3),
            (self.critics.net.layers, 3e-3),
        ):
            gentle_start(list(layers), bound, draws)

    def critic(self) -> Critic:
        """All N."""
        return trained_critic(self.spaces, self.critics)

    def temperature_loss(self, log_pi: Tensor) -> Tensor:
        """As the reference code has it, log alpha (entropy - goal)."""
        return self.log_temperature * self.entropy_gap(log_pi)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Temperature, then actor, then critics, then targets."""
        del step
        o = batch.observation
        a, log_pi = sample_tanh_gaussian(self.actor, o, batch.noise["current"])
        self.descend("temperature", self.temperature_loss(log_pi))
        actor_loss = self.actor_loss(o, a, log_pi)
        self.descend("actor", actor_loss)
        critic_loss, q = self.critic_loss(batch)
        self.descend("critics", critic_loss)
        polyak(self.target, self.critics, self.params.polyak)
        return metrics(critic_loss, actor_loss, log_pi, q)
