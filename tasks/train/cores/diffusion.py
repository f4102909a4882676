"""Diffusion actor-critic: twin critics and a policy that turns noise into actions.

Paper: Wang, Hunt & Zhou 2023, "Diffusion Policies as an Expressive Policy Class for
Offline Reinforcement Learning" (arXiv 2208.06193), Diffusion-QL. A method on this core
brings its network, its plan and the loss by which it imitates. Order, the swap of the
critics and the averaged policy's schedule are known from the authors' code alone.

One update: critics, actor, every few updates the averaged policy, target critics.

Shapes: S seeds, B batch, O observation, A action, n noises of the plan, m actions.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.artifacts.seeding import generator
from tasks.nets.diffusion import DiffusionPolicy, TimeEmbedding
from tasks.nets.layers import MLP
from tasks.nets.policy import Policy
from tasks.nets.sampling import Plan
from tasks.train import Batch, Draw, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    adam,
    bellman_loss,
    frozen_copy,
    polyak,
)


@dataclass(frozen=True)
class DiffusionParams(ActorCriticParams):
    """What every method on this core has; see params/train/dql.yaml."""

    activation: Annotated[str, OneOf(("mish", "silu", "relu"))]
    time_width: Annotated[int, Range(4)]
    time_scale: Annotated[float, Range(0, open=True)]
    eta: Annotated[float, Range(0)]
    normaliser: Annotated[str, OneOf(("swap", "min", "mean"))]
    max_q_backup: bool
    backup_actions: Annotated[int, Range(1, 100)]
    average_decay: Annotated[float, Range(0, 1)]
    average_every: Annotated[int, Range(1)]
    average_from: Annotated[int, Range(0)]
    clip_norm: Annotated[float, Range(0)]
    reward_shift: float
    reward_scale: Annotated[float, Range(0, open=True)]
    n_candidates: Annotated[int, Range(1)]

    def __post_init__(self) -> None:
        """Also refuse an odd embedding, and candidates, which no graph has yet."""
        super().__post_init__()
        if self.time_width % 2:
            found, expected = self.time_width, "an even number: sines and cosines"
            raise RefusedError(PARAMS, "time_width", found, expected, MEND)
        if self.n_candidates > 1:
            found, expected = self.n_candidates, "1: the policy holds no critics"
            raise RefusedError(PARAMS, "n_candidates", found, expected, MEND)


AnyParams = TypeVar("AnyParams", bound=DiffusionParams)


class DiffusionActorCritic(Learner, Generic[AnyParams]):
    """A method on this core defines :meth:`network` and :meth:`imitation`.

    Attributes:
        actor: What is trained, and what acts in the end, as in the authors' code.
        average: Its moving average, whose actions the critics look ahead to.
    """

    def __init__(
        self, params: AnyParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        p = self.params = params
        self.actor = self.network()
        self.average = frozen_copy(self.actor, self.network())
        hidden = p.critic_hidden
        self.critics, fresh = (
            Critics(spaces, seeds, hidden, activation="mish") for _ in range(2)
        )
        self.target = frozen_copy(self.critics, fresh)
        self.optimisers = {
            "actor": adam(self.actor.parameters(), p.actor_rate),
            "critics": adam(self.critics.parameters(), p.critic_rate),
        }

    @abstractmethod
    def network(self) -> DiffusionPolicy:
        """A freshly initialised policy, see :func:`fresh_policy`."""

    @abstractmethod
    def imitation(self, batch: Batch) -> Tensor:
        """What holds the actor to the logged actions, (S,).

        It has ``noise`` (S, B, A), and ``choice`` (S, B, 2, A), uniform in [-1, 1), of
        which [:, :, 0] is its own.
        """

    def draws(self) -> dict[str, Draw]:
        """Noise of the two actions an update samples, and of the imitation."""
        n, p = self.actor.plan.noises, self.params
        return {
            "noise": Draw(),
            "choice": Draw(2, "uniform"),
            "current": Draw(n),
            "next": Draw(n * p.backup_actions if p.max_q_backup else n),
        }

    def rewards(self, reward: Tensor, returns: Tensor) -> Tensor:
        """(reward + shift) * scale."""
        del returns
        return (reward + self.params.reward_shift) * self.params.reward_scale

    def value_next(self, batch: Batch) -> Tensor:
        """min_i Qbar_i(s', a') of the averaged policy's action, (S, B); no gradient.

        With ``max_q_backup`` the best of m actions a critic, then the smaller critic.
        """
        o, noise = batch.next_observation, batch.noise["next"]
        if not self.params.max_q_backup:
            return self.target(o, self.average.sample(o, noise)).amin(1)
        m = self.params.backup_actions
        seeds, rows, _, width = noise.shape
        each = noise.view(seeds, rows * m, -1, width)  # m times the plan's n
        a = self.average.sample(o.repeat_interleave(m, 1), each)
        return self.target.many(o, a.view(seeds, rows, m, width)).amax(-1).amin(1)

    def climb(self, batch: Batch, action: Tensor) -> tuple[Tensor, Tensor]:
        """-mean Q(s, a) / mean |Q|, the divisor without gradient.

        ``swap``: one critic is climbed and the other one divides, drawn at each update;
        else the smaller of the two, or their mean, does both.

        Args:
            batch: For the observations and the draw.
            action: (S, B, A), with gradient.

        Returns:
            (S,), and the critics' values (S, 2, B).
        """
        q = self.critics(batch.observation, action)
        if self.params.normaliser == "swap":
            climbed, size = q.mean(-1), q.detach().abs().mean(-1)  # (S, 2)
            which = (batch.noise["choice"][:, :1, 1, 0] > 0).long()  # (S, 1)
            loss = -climbed.gather(1, which) / size.gather(1, 1 - which)
            return loss.squeeze(1), q
        one = q.amin(1) if self.params.normaliser == "min" else q.mean(1)
        return -one.mean(-1) / one.detach().abs().mean(-1), q

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """See the module."""
        p = self.params
        with torch.no_grad():
            going_on = p.discount * (1 - batch.terminated)
            y = batch.reward + going_on * self.value_next(batch)  # (S, B)
        q = self.critics(batch.observation, batch.action)
        critic_loss = bellman_loss(q, y)
        self.descend("critics", critic_loss, p.clip_norm)
        loss = imitation = self.imitation(batch)
        if p.eta:  # else an update costs a third, and ``value`` is of logged actions
            action = self.actor.sample(batch.observation, batch.noise["current"])
            climb, q = self.climb(batch, action)
            loss = imitation + p.eta * climb
        self.descend("actor", loss, p.clip_norm)
        if step >= p.average_from and step % p.average_every == 0:
            polyak(self.average, self.actor, 1 - p.average_decay)
        polyak(self.target, self.critics, p.polyak)
        return {
            "critic_loss": critic_loss.detach(),
            "actor_loss": loss.detach(),
            "imitation_loss": imitation.detach(),
            "value": q.detach().mean((1, 2)),
        }

    def policy(self) -> Policy:
        """The actor."""
        return self.actor


def fresh_policy(
    params: DiffusionParams,
    spaces: Spaces,
    seeds: Sequence[int],
    plan: Plan,
    kind: str,
    *,
    abar: Sequence[float] = (),
    times: int = 1,
) -> DiffusionPolicy:
    """A freshly initialised policy.

    Args:
        params: Widths, activation and factor of the times.
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        plan: The sampler.
        kind: What the network predicts, one of ``sampling.KINDS``.
        abar: Schedule, if it has one.
        times: How many times the network is told.
    """
    embeddings = []
    for i in range(times):
        one = TimeEmbedding(len(seeds), params.time_width, params.activation)
        generators = [generator(seed, f"time{i}") for seed in seeds]
        for layer in one.layers:
            layer.initialise(generators)
        embeddings.append(one)
    inputs = spaces.action + times * params.time_width + spaces.observation
    net = MLP(seeds, "actor", (inputs, *params.actor_hidden, spaces.action))
    return DiffusionPolicy(
        list(net.layers),
        embeddings,
        plan,
        kind,
        abar,
        params.time_scale,
        params.activation,
        spaces.observation_mean,
        spaces.observation_std,
        spaces.action_low,
        spaces.action_high,
    )
