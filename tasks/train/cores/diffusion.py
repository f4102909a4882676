"""The core of diffusion actor-critics: twin critics, a policy that shapes noise.

Paper: Wang, Hunt & Zhou 2023, "Diffusion Policies as an Expressive Policy Class for
Offline Reinforcement Learning" (arXiv 2208.06193), Diffusion-QL. With target critics
Qbar, the actor pi, its moving average piavg, b an action sampled from pi at s and d for
a termination:

    y    = r + discount (1 - d) min_i Qbar_i(s', piavg(s'))
    L_Q  = sum_i mean (Q_i(s, a) - y)^2
    L_pi = L_imitation - eta mean Q_i(s, b) / mean |Q_j(s, b)|    divisor: no gradient

One of (i, j) = (1, 2) and (2, 1) is drawn at each update (``normaliser: swap``). One
update steps the critics, the actor, every ``average_every`` updates the average, and
the target critics, Qbar <- (1 - polyak) Qbar + polyak Q. The order, the swap and the
schedule of the average are known from the authors' code alone, as is that observations
are not normalised. Not taken over: the learning rates of their ``--lr_decay``, which
fall to 0 as a cosine, and their choice of a checkpoint after the training. A method on
this core brings its network, its sampler and L_imitation.

Shapes: S seeds, B batch, O observation, A action, n noises of a sampler's plan.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.artifacts.seeding import generator
from tasks.nets.diffusion import DiffusionPolicy, TimeEmbedding
from tasks.nets.layers import MLP
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.nets.policy import Policy
from tasks.nets.sampling import Plan
from tasks.train import Batch, Draw, Learner, Spaces
from tasks.train.cores.actor_critic import ActorCriticParams, Critics, bellman_loss


@dataclass(frozen=True)
class DiffusionParams(ActorCriticParams):
    """Parameters of every method on this core.

    Attributes:
        activation: Of the policy network.
        time_width: Width of a time's embedding, even.
        time_scale: Factor of the times before they are embedded.
        eta: Weight of the value against imitation; 0 is cloning.
        normaliser: What divides Q: ``swap`` (the other critic), ``min`` or ``mean``.
        max_q_backup: Whether the target takes the best of several actions.
        backup_actions: How many, if so.
        average_decay: Share the averaged policy keeps at each of its steps.
        average_every: Updates between its steps.
        average_from: Updates before its first step.
        clip_norm: Largest norm of a seed's gradient; 0 for no limit.
        reward_shift: Added to every reward.
        reward_scale: Rewards are then multiplied by it.
        n_candidates: Actions a state one is picked of when acting; only 1 so far.
        normalise: ``none``, or ``observations`` by their mean and deviation.
    """

    activation: Annotated[str, OneOf(("mish", "silu", "relu"))]
    time_width: Annotated[int, Range(4, 65_536)]
    time_scale: Annotated[float, Range(0, 1e9, open=True)]
    eta: Annotated[Sweepable, Range(0, 1e9)]
    normaliser: Annotated[str, OneOf(("swap", "min", "mean"))]
    max_q_backup: bool
    backup_actions: Annotated[int, Range(1, 100)]
    average_decay: Annotated[Sweepable, Range(0, 1)]
    average_every: Annotated[int, Range(1, 10**9)]
    average_from: Annotated[int, Range(0, 10**9)]
    clip_norm: Annotated[float, Range(0, 1e9)]
    reward_shift: Annotated[float, Range(-1e9, 1e9)]
    reward_scale: Annotated[float, Range(0, 1e9, open=True)]
    n_candidates: Annotated[int, Range(1, 1000)]
    normalise: Annotated[str, OneOf(("none", "observations"))]

    def __post_init__(self) -> None:
        """Also refuse an odd embedding, and candidates, which no graph has yet."""
        super().__post_init__()
        if self.time_width % 2:
            expected = "an even number: sines and cosines"
            raise RefusedError(PARAMS, "time_width", self.time_width, expected, MEND)
        if self.n_candidates > 1:
            expected = "1: the policy holds no critics"
            raise RefusedError(
                PARAMS, "n_candidates", self.n_candidates, expected, MEND
            )


AnyParams = TypeVar("AnyParams", bound=DiffusionParams)


class DiffusionActorCritic(Learner[AnyParams]):
    """Diffusion-QL whose method defines :meth:`network` and :meth:`imitation`.

    Attributes:
        actor: What is trained, and what acts in the end, as in the authors' code.
        average: Its moving average, whose actions stand in the critics' target.
    """

    def __init__(
        self, params: AnyParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        spaces = spaces.normalised(params.normalise)
        super().__init__(params, spaces, seeds, updates)
        p = params
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
        """A freshly initialised policy with the method's sampler."""

    @abstractmethod
    def imitation(self, batch: Batch) -> Tensor:
        """The loss L_imitation that holds the actor to the logged actions, (S,).

        Args:
            batch: Of this update. In its noise, ``noise`` (S, B, A) is standard normal
                and ``choice`` (S, B, 2, A) uniform in [-1, 1); ``choice[:, :, 0]`` is
                this method's to use.
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
        """The rewards (r + reward_shift) * reward_scale, (N,)."""
        del returns
        return (reward + self.params.reward_shift) * self.params.reward_scale

    def value_next(self, batch: Batch) -> Tensor:
        """What y has of the next observation, min_i Qbar_i(s', piavg(s')).

        With ``max_q_backup`` each target critic takes the best of ``backup_actions``
        actions, and then the smaller of the two counts.

        Returns:
            (S, B), without gradient.
        """
        o, noise = batch.next_observation, batch.noise["next"]
        if not self.params.max_q_backup:
            return self.target(o, self.average.sample(o, noise)).amin(1)
        m = self.params.backup_actions
        seeds, rows, _, width = noise.shape
        noise = noise.view(seeds, rows * m, -1, width)  # n of each of the m actions
        a = self.average.sample(o.repeat_interleave(m, 1), noise)
        return self.target.many(o, a.view(seeds, rows, m, width)).amax(-1).amin(1)

    def value_loss(self, batch: Batch, action: Tensor) -> tuple[Tensor, Tensor]:
        """The loss -mean Q(s, b) / mean |Q(s, b)|, its divisor without gradient.

        With ``normaliser: swap`` one critic is maximised and the other one divides,
        drawn at each update; else the smaller of the two, or their mean, does both.

        Args:
            batch: For the observations and the draw.
            action: b, (S, B, A), with gradient.

        Returns:
            (S,), and the critics' values (S, 2, B).
        """
        q = self.critics(batch.observation, action)
        if self.params.normaliser == "swap":
            means, sizes = q.mean(-1), q.detach().abs().mean(-1)  # (S, 2)
            which = (batch.noise["choice"][:, :1, 1, 0] > 0).long()  # (S, 1)
            loss = -means.gather(1, which) / sizes.gather(1, 1 - which)
            return loss.squeeze(1), q
        both = q.amin(1) if self.params.normaliser == "min" else q.mean(1)
        return -both.mean(-1) / both.detach().abs().mean(-1), q

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step critics, actor, in time the averaged policy, and target critics."""
        p = self.params
        with torch.no_grad():
            discount = p.discount * (1 - batch.terminated)
            y = batch.reward + discount * self.value_next(batch)  # (S, B)
        q = self.critics(batch.observation, batch.action)
        critic_loss = bellman_loss(q, y)
        self.descend("critics", critic_loss, p.clip_norm)
        loss = imitation = self.imitation(batch)
        if (
            p.eta
        ):  # at 0 an update costs a third; the curves' value is of logged actions
            action = self.actor.sample(batch.observation, batch.noise["current"])
            value_loss, q = self.value_loss(batch, action)
            loss = imitation + p.eta * value_loss
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
        """The trained actor."""
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
    """A freshly initialised diffusion policy.

    Args:
        params: Widths, activation and factor of the times.
        spaces: Widths, statistics and bounds.
        seeds: One slice each.
        plan: The sampler.
        kind: What the network predicts, one of ``sampling.KINDS``.
        abar: Share of the action's square kept at each time of the noise schedule;
            empty if the sampler has none.
        times: How many times of the sampler are inputs of the network.
    """
    embeddings = []
    for i in range(times):
        embedding = TimeEmbedding(len(seeds), params.time_width, params.activation)
        generators = [generator(seed, f"time{i}") for seed in seeds]
        for layer in embedding.layers:
            layer.initialise(generators)
        embeddings.append(embedding)
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
