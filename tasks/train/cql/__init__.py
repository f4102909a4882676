"""CQL: a penalty keeps the values of actions outside the data low.

Paper: Kumar, Zhou, Tucker & Levine 2020, "Conservative Q-Learning for Offline
Reinforcement Learning" (arXiv 2006.04779): CQL(H), eq. 4, with the importance sampling
and the Lagrange multiplier of its appendix F. For each critic Q_i, with 3n actions a_j
of which a third is uniform, a third drawn from pi at s and a third from pi at s', and
their densities mu_j:

    y   = r + discount (1 - d) min_k Qbar_k(s', a')       a' ~ pi(. | s')
    X_i = mean log sum_j exp(Q_i(s, a_j) - log mu_j) - mean Q_i(s, a)
    L_Q = sum_i mean (Q_i(s, a) - y)^2 + weight sum_i X_i

With ``lagrange`` the last term is m weight sum_i (X_i - gap), and the multiplier m >= 0
rises while X lies above the gap. The sum estimates an integral over all actions by
importance sampling, up to a constant. Actor and temperature are those of
``cores/soft_actor_critic.py``.

Reference implementation: CORL ``cql.py``; as there the backup has no entropy, all
losses are computed before any step, and the policy's log deviation starts lower by one.
Orthogonal initial weights go to both kinds of networks, where CORL's code leaves the
actor's hidden layers as torch draws them. Left out is CORL's learned scale and shift of
the log deviation, two numbers trained beside the actor: the last layer can express the
same, but Adam moves it otherwise. The shift's start, -1, is a bias here.

Shapes: S seeds, B batch, O observation, A action, E = 2 critics, n sampled actions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.artifacts.seeding import generator
from tasks.nets.layers import Linear
from tasks.nets.optimisers import adam, polyak
from tasks.train import Batch, Draw, Spaces
from tasks.train.cores.soft_actor_critic import SoftActorCritic, SoftParams, metrics
from tasks.train.cores.tanh_gaussian import gaussian, squash
from tasks.train.cql.soft_maximum import soft_maximum

LOG_STD_START = -1.0  # bias of the log deviation, beside weights that are nearly zero
MULTIPLIER_MAX = 1e6


@dataclass(frozen=True)
class CQLParams(SoftParams):
    """Parameters of CQL; units and ranges stand in params/train/cql.yaml."""

    samples: Annotated[int, Range(4, 10)]
    weight: Annotated[Sweepable, Range(0, 1e9)]
    lagrange: bool
    gap: Annotated[Sweepable, Range(-1e9, 1e9)]
    max_target: bool
    orthogonal: bool


class CQL(SoftActorCritic[CQLParams]):
    """SAC without entropy in its backup, and with the conservative penalty."""

    log_std_range = (-20.0, 2.0)

    def __init__(
        self, params: CQLParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        p = params
        self.optimisers["temperature"] = adam([self.log_temperature], p.actor_rate)
        if p.lagrange:
            self.log_multiplier = nn.Parameter(torch.ones(len(seeds)))
            self.optimisers["multiplier"] = adam([self.log_multiplier], p.critic_rate)

    def initialise(self) -> None:
        """Orthogonal weights of gain sqrt 2, small in the last layer, if asked for.

        Otherwise only the last layer is made small.
        """
        draws = [generator(seed, "cql") for seed in self.seeds]
        for layers in (self.actor.layers, self.critics.net.layers):
            *hidden, last = layers
            if self.params.orthogonal:
                for layer in hidden:
                    _orthogonal(layer, math.sqrt(2), draws)
                _orthogonal(last, 0.01, draws)
            else:
                _xavier(last, 0.01, draws)
        last = self.actor.layers[-1].bias  # (S, 1, 2A)
        nn.init.constant_(last[..., self.spaces.action :], LOG_STD_START)

    def draws(self) -> dict[str, Draw]:
        """Noise of one action at s, of those in the target, and of the 3n proposals."""
        n = self.params.samples
        return {
            "next": Draw(n if self.params.max_target else None),
            "current": Draw(),
            "uniform": Draw(n, "uniform"),
            "proposed": Draw(n),
            "proposed_next": Draw(n),
        }

    def value_next(self, batch: Batch) -> Tensor:
        """Value min_k Qbar_k(s', a') of one action, or the best of n: (S, B)."""
        o, noise = batch.next_observation, batch.noise["next"]
        mean, log_std = gaussian(self.actor, o)
        if not self.params.max_target:
            a, _ = squash(mean, log_std, noise)
            return self.target(o, a).amin(1)
        a, _ = squash(mean.unsqueeze(2), log_std.unsqueeze(2), noise)
        return self.target.many(o, a).amin(1).amax(-1)

    def proposals(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Actions to hold down at s, and the log density they come from.

        Returns:
            (S, B, 3n, A) and (S, B, 3n), without gradient: n uniform actions, n of the
            policy at s, n of the policy at s'.
        """
        uniform = batch.noise["uniform"]  # (S, B, n, A)
        actions = [uniform]
        density = uniform.shape[-1] * math.log(0.5)
        densities = [uniform.new_full(uniform.shape[:-1], density)]
        with torch.no_grad():
            for o, noise in (
                (batch.observation, batch.noise["proposed"]),
                (batch.next_observation, batch.noise["proposed_next"]),
            ):
                mean, log_std = gaussian(self.actor, o)
                a, log_pi = squash(mean.unsqueeze(2), log_std.unsqueeze(2), noise)
                actions.append(a)
                densities.append(log_pi)
        return torch.cat(actions, 2), torch.cat(densities, 2)

    def excess(self, batch: Batch, q: Tensor) -> Tensor:
        """Soft maximum of Q over all actions less Q of the logged ones, X.

        Args:
            batch: Of this update.
            q: Q(s, a), (S, E, B).

        Returns:
            (S, E).
        """
        actions, log_mu = self.proposals(batch)
        soft = soft_maximum(self.critics, batch.observation, actions, log_mu)
        return soft - q.mean(-1)

    def multiplier(self) -> Tensor:
        """The Lagrange multiplier of the penalty, m, in [0, 1e6]: (S,)."""
        return self.log_multiplier.exp().clamp(0, MULTIPLIER_MAX)

    def temperature_loss(self, log_pi: Tensor) -> Tensor:
        """Form of the reference code, log alpha (entropy - goal): (S, B) -> (S,)."""
        return self.log_temperature * self.entropy_gap(log_pi)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """All losses; then step multiplier, temperature, actor, critics, targets."""
        del step
        p, o = self.params, batch.observation
        a, log_pi = squash(*gaussian(self.actor, o), batch.noise["current"])
        temperature_loss = self.temperature_loss(log_pi)
        actor_loss = self.actor_loss(o, a, log_pi)

        bellman, q = self.critic_loss(batch)
        excess = self.excess(batch, q)  # (S, E)
        penalty = p.weight * excess
        if p.lagrange:
            over = p.weight * (excess - p.gap)
            penalty = self.multiplier().detach()[:, None] * over
            multiplier_loss = -self.multiplier() * over.detach().mean(1)
            self.descend("multiplier", multiplier_loss)
        critic_loss = bellman + penalty.sum(1)
        self.descend("temperature", temperature_loss)
        self.descend("actor", actor_loss)
        self.descend("critics", critic_loss)
        polyak(self.target, self.critics, p.polyak)
        curves = metrics(critic_loss, actor_loss, log_pi, q)
        return curves | {"excess": excess.detach().mean(1)}


def _orthogonal(layer: Linear, gain: float, draws: Sequence[torch.Generator]) -> None:
    """Orthogonal weights, slice by slice; biases 0."""
    nn.init.zeros_(layer.bias)
    members = layer.stack // len(draws)
    for i in range(layer.stack):
        nn.init.orthogonal_(layer.weight[i], gain, generator=draws[i // members])


def _xavier(layer: Linear, gain: float, draws: Sequence[torch.Generator]) -> None:
    """Uniform weights of variance 2 gain^2 / (inputs + outputs); biases 0."""
    nn.init.zeros_(layer.bias)
    bound = gain * math.sqrt(6 / (layer.inputs + layer.outputs))
    parts = layer.weight.chunk(len(draws))
    for part, draw in zip(parts, draws, strict=True):
        nn.init.uniform_(part, -bound, bound, generator=draw)
