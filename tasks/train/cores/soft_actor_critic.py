"""The core of soft actor-critic: what SAC and the methods built on it share.

Papers: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv
1812.05905); for the large ensembles An et al. 2021, "Uncertainty-Based Offline
Reinforcement Learning with Diversified Q-Ensemble" (arXiv 2110.01548). Reference
implementations: CleanRL ``sac_continuous_action.py``, CORL ``sac_n.py``.

With E critics Q_i, target critics Qbar_i, a tanh-gaussian policy pi, the temperature
alpha, d for a termination, a' ~ pi(. | s') and b ~ pi(. | s):

    y       = r + discount (1 - d) (min_i Qbar_i(s', a') - alpha log pi(a' | s'))
    L_Q     = sum_i mean (Q_i(s, a) - y)^2                                  eq. 5
    L_pi    = mean (alpha log pi(b | s) - min_i Q_i(s, b))                  eqs. 7, 9
    L_alpha = alpha (mean -log pi(b | s) - goal)                            eq. 18
    goal    = -target_entropy_scale A

Then Qbar <- (1 - polyak) Qbar + polyak Q. A method replaces what it changes:

| method | what it says | default |
|---|---|---|
| ``initialise`` | first weights | as torch.nn.Linear |
| ``value_next`` | what y has in the brackets | as above |
| ``critic_loss`` | L_Q | as above |
| ``actor_loss`` | L_pi | as above |
| ``temperature_loss`` | L_alpha | as above |
| ``update`` | the order of the steps | critics, actor, temperature, targets |

Shapes: S seeds, B batch, O observation, A action, E critics.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.artifacts.seeding import generator
from tasks.nets.critic import Critic
from tasks.nets.feedforward import LOG_STD_RANGE
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    actor,
    bellman_loss,
    gentle_start,
    trained_critic,
)
from tasks.train.cores.tanh_gaussian import sample_tanh_gaussian


@dataclass(frozen=True)
class SoftParams(ActorCriticParams):
    """Parameters of every method on this core.

    Attributes:
        target_entropy_scale: The policy's entropy is led to -scale x A.
    """

    target_entropy_scale: Annotated[Sweepable, Range(0, 1e9)]


AnyParams = TypeVar("AnyParams", bound=SoftParams)


class SoftActorCritic(Learner[AnyParams]):
    """Soft actor-critic with an ensemble of critics and a learned temperature.

    Args:
        params: Parameters of the method.
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        updates: How many there will be.
        members: E.

    Attributes:
        log_std_range: What the policy's log deviation is clipped to.
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
        p = params
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
        """Change the initial weights of actor and critics; by default keep them."""

    def temperature(self) -> Tensor:
        """The temperature alpha, (S, 1), without gradient."""
        return self.log_temperature.detach().exp()[:, None]

    def value_next(self, batch: Batch) -> Tensor:
        """The soft value of the next observation, (S, B), without gradient."""
        a, log_pi = sample_tanh_gaussian(
            self.actor, batch.next_observation, batch.noise["next"]
        )
        q = self.target(batch.next_observation, a).amin(1)
        return q - self.temperature() * log_pi

    def backup(self, batch: Batch) -> Tensor:
        """The critics' target, y = r + discount (1 - d) value_next, (S, B)."""
        with torch.no_grad():
            discount = self.params.discount * (1 - batch.terminated)
            return batch.reward + discount * self.value_next(batch)

    def critic_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss summed over critics (S,), and Q of the logged actions (S, E, B)."""
        q = self.critics(batch.observation, batch.action)
        return bellman_loss(q, self.backup(batch)), q

    def actor_loss(self, observation: Tensor, a: Tensor, log_pi: Tensor) -> Tensor:
        """What the actor descends.

        Args:
            observation: (S, B, O), normalised.
            a: Actions sampled from the policy, with gradient, (S, B, A).
            log_pi: Their log likelihoods, (S, B).

        Returns:
            (S,).
        """
        q = self.critics(observation, a).amin(1)
        return (self.temperature() * log_pi - q).mean(-1)

    def temperature_loss(self, log_pi: Tensor) -> Tensor:
        """What the temperature descends; it rises below the goal: (S, B) -> (S,)."""
        return self.log_temperature.exp() * self.entropy_gap(log_pi)

    def entropy_gap(self, log_pi: Tensor) -> Tensor:
        """Entropy less its goal, -scale x A, without gradient: (S, B) -> (S,)."""
        goal = -self.params.target_entropy_scale * self.spaces.action
        return -log_pi.detach().mean(-1) - goal

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step critics, then actor, then temperature, then target critics."""
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
    """The metrics of every method on this core, (S,) each.

    Args:
        critic_loss: (S,).
        actor_loss: (S,).
        log_pi: Log likelihoods of the actions sampled at the logged observations,
            (S, B).
        q: Critics at the logged actions, (S, E, B).
    """
    return {
        "critic_loss": critic_loss.detach(),
        "actor_loss": actor_loss.detach(),
        "entropy": -log_pi.detach().mean(-1),
        "value": q.detach().mean((1, 2)),
    }


@dataclass(frozen=True)
class EnsembleParams(SoftParams):
    """Parameters of methods that rely on the disagreement of many critics.

    Attributes:
        members: N, the number of critics.
        normalise: ``none``, or ``observations`` by their mean and deviation.
    """

    members: Annotated[int, Range(1, 1000)]
    normalise: Annotated[str, OneOf(("none", "observations"))]

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
    """SAC with the minimum of N critics as pessimism (An et al. 2021, section 3).

    Order and initial weights are those of CORL's code: biases of hidden layers 0.1,
    weights of the critics' hidden layers U(-1, 1) / sqrt(outputs), last layer of the
    critics U(-3e-3, 3e-3) and of the actor U(-1e-3, 1e-3); the temperature steps first
    and the others use the new one. One action a state serves temperature and actor,
    where the reference code samples twice. Observations are not normalised.

    CORL's critics divide by outputs, as their weights lie transposed to where torch
    counts inputs; the authors' own code divides by inputs. With 14 inputs and 256 units
    the first layer starts at 1 / 4.3 of the width that torch.nn.Linear has.
    """

    def __init__(
        self,
        params: AnyEnsemble,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        spaces = spaces.normalised(params.normalise)
        super().__init__(params, spaces, seeds, updates, params.members)

    def initialise(self) -> None:
        """Start with biases of 0.1 and small layers, like the reference code."""
        for layer in self.critics.net.layers[:-1]:
            layer.weight.data *= math.sqrt(layer.inputs / layer.outputs)
        draws = [generator(seed, "last layers") for seed in self.seeds]
        for layers, bound in (
            (self.actor.layers, 1e-3),
            (self.critics.net.layers, 3e-3),
        ):
            gentle_start(list(layers), bound, draws)

    def critic(self) -> Critic:
        """All N critics."""
        return trained_critic(self.spaces, self.critics)

    def temperature_loss(self, log_pi: Tensor) -> Tensor:
        """Form of the reference code, log alpha (entropy - goal): (S, B) -> (S,)."""
        return self.log_temperature * self.entropy_gap(log_pi)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step temperature, then actor, then critics, then target critics."""
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
