"""DSAC-T: soft actor-critic whose critics give a distribution of the return.

Paper: Duan, Wang, Xiao, Gao, Li, Liu, Zhang, Cheng, Li 2025, "Distributional Soft
Actor-Critic with Three Refinements" (IEEE TPAMI, arXiv 2310.05858). Reference
implementation: github.com/Jingliang-Duan/DSAC-v2, ``dsac_v2.py`` and ``dsac_v1.py``.

A critic gives N(Q_i(s, a), sigma_i(s, a)^2), i = 1, 2. With targets barred, the policy
too, a' ~ pibar(. | s'), lp' = log pibar(a' | s'), z_i ~ N(0, 1) clipped to [-3, 3] and,
row by row, j = argmin_i Qbar_i(s', a'):

    y_q = r + discount (1 - d) (Qbar_j(s', a') - alpha lp')
    y_z = r + discount (1 - d) (Qbar_j(s', a') + z_j sigmabar_j(s', a') - alpha lp')
    C_i = y_z, at most b_i from Q_i(s, a),   b_i = clip m_i,
    m_i <- (1 - std_rate) m_i + std_rate mean sigma_i,   and w_i of sigma_i^2 likewise

``loss: code`` is what the authors' code descends, H Huber's loss beyond 50 and all but
the marked * without gradient:

    mean rho_i (H(Q_i* - y_q) + sigma_i* (sigma_i^2 - H(Q_i - C_i)) / (sigma_i + 0.1))
    rho_i = m_i^2 / (sigma_i^2 + 0.1), clipped to [0.1, 10]

H has a half in it, so that sigma settles at sqrt(1/2) of the deviation. ``loss: paper``
is the paper's gradient, without the half:

    (w_i + 0.1) mean (-(y_q - Q_i) / (sigma_i^2 + 0.1) Q_i*
                      - ((C_i - Q_i)^2 - sigma_i^2) / (sigma_i^3 + 0.1) sigma_i*)

Actor and temperature, for b ~ pi(. | s): mean (alpha log pi(b | s) - min_i Q_i(s, b)),
and log alpha (entropy - goal). All gradients are of the weights before the update;
actor, temperature and targets move at every ``policy_delay``-th update.

``algorithm: dsac_v1`` is what came before: one critic, y_z in both terms, a fixed b, no
weight w. ``sac`` has the twin means alone, squared errors, and no target policy.

Shapes: S seeds, B batch, O observation, A action, E critics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import OneOf, Range
from tasks.learn import Chance, ReplayLearner, ReplayParams
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.train import Batch, Draw, Spaces
from tasks.train.cores.soft_actor_critic import SoftParams
from tasks.train.cores.tanh_gaussian import sample_tanh_gaussian

LOG_STD_RANGE = (-20.0, 0.5)
START = 1.0  # of log alpha
BIAS, HUBER, FURTHEST = 0.1, 50.0, 3.0  # in denominators; Huber's; of z
WEIGHTS = (0.1, 10.0)  # of a row, rho


@dataclass(frozen=True)
class DSACTParams(SoftParams, ReplayParams):
    """Parameters of DSAC-T; units and ranges stand in params/learn/dsac_t.yaml."""

    algorithm: Annotated[str, OneOf(("dsac_t", "dsac_v1", "sac"))]
    loss: Annotated[str, OneOf(("code", "paper"))]
    temperature_rate: Annotated[Sweepable, Range(0, 1)]
    policy_delay: Annotated[int, Range(1, 10**6)]
    std_rate: Annotated[Sweepable, Range(0, 1)]
    clip: Annotated[Sweepable, Range(0, 1e9, open=True)]
    bound: Annotated[Sweepable, Range(0, 1e9, open=True)]
    reward_scale: Annotated[Sweepable, Range(0, 1e9, open=True)]


class Returns(nn.Module):
    """Critics that each give mean and deviation of the return.

    Args:
        spaces: Widths.
        seeds: One slice each.
        hidden: Hidden widths.
        members: E.
    """

    def __init__(
        self, spaces: Spaces, seeds: Sequence[int], hidden: Sequence[int], members: int
    ) -> None:
        super().__init__()
        widths = (spaces.observation + spaces.action, *hidden, 2)
        self.net = MLP(seeds, "critics", widths, members, activation="gelu")

    def forward(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """(S, B, O) and (S, B, A) -> Q and sigma, (S, E, B) each."""
        out = self.net(observation, action)
        q, raw = (out if self.net.members > 1 else out.unsqueeze(1)).unbind(-1)
        return q, nn.functional.softplus(raw)


class DSACT(ReplayLearner[DSACTParams]):
    """DSAC-T, its predecessor, and SAC on the same networks.

    Attributes:
        mean_std: m, (S, E); -1 before the first update.
        mean_variance: w, likewise.
    """

    mean_std: Tensor
    mean_variance: Tensor

    def __init__(
        self,
        params: DSACTParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        p, self.members = params, 1 if params.algorithm == "dsac_v1" else 2
        self.actor = self.fresh_actor()
        self.target_actor = frozen_copy(self.actor, self.fresh_actor())
        self.critics, target = (
            Returns(spaces, seeds, p.critic_hidden, self.members) for _ in range(2)
        )
        self.target = frozen_copy(self.critics, target)
        self.log_temperature = nn.Parameter(torch.full((len(seeds),), START))
        for name in ("mean_std", "mean_variance"):
            before = torch.full((len(seeds), self.members), -1.0)
            self.register_buffer(name, before)
        self.optimisers = {
            "actor": adam(self.actor.parameters(), p.actor_rate),
            "critics": adam(self.critics.parameters(), p.critic_rate),
            "temperature": adam([self.log_temperature], p.temperature_rate),
        }

    def fresh_actor(self) -> Feedforward:
        """A gaussian policy with GELU between its layers, as first drawn."""
        s, p = self.spaces, self.params
        widths = (s.observation, *p.actor_hidden, 2 * s.action)
        return Feedforward(
            *(list(MLP(self.seeds, "actor", widths).layers), "gaussian"),
            *(s.observation_mean, s.observation_std, s.action_low, s.action_high),
            log_std_range=LOG_STD_RANGE,
            activation="gelu",
        )

    def draws(self) -> dict[str, Draw]:
        """Noise of both actions, and z of each critic."""
        return {"next": Draw(), "current": Draw(), "value": Draw(self.members)}

    def act(
        self, observation: Tensor, legal: Tensor | None, chance: Chance, step: int
    ) -> Tensor:
        """A sample of the policy, from the first step on."""
        del legal, step
        noise = torch.from_numpy(chance.normal)
        return self.actor.squashed(self.actor.normalise(observation), noise)

    def targets(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """y_q and y_z, (S, B) each, and lp', without gradient."""
        p, alpha = self.params, self.log_temperature.exp()[:, None]
        policy = self.actor if p.algorithm == "sac" else self.target_actor
        with torch.no_grad():
            o, noise = batch.next_observation, batch.noise
            a, log_pi = sample_tanh_gaussian(policy, o, noise["next"])
            q, sigma = self.target(o, a)
            z = noise["value"][..., 0].transpose(1, 2).clamp(-FURTHEST, FURTHEST)
            least = q.argmin(1, keepdim=True)  # (S, 1, B)
            here, drawn = (x.gather(1, least)[:, 0] for x in (q, q + z * sigma))
            reward = p.reward_scale * batch.reward
            discount = p.discount * (1 - batch.terminated)
            y_q, y_z = (reward + discount * (x - alpha * log_pi) for x in (here, drawn))
        return y_q, y_z, log_pi

    def renew(self, sigma: Tensor) -> None:
        """Take sigma (S, E, B) into the running means; the first one sets them."""
        sigma = sigma.detach()
        for running, now in (
            (self.mean_std, sigma.mean(-1)),
            (self.mean_variance, sigma.square().mean(-1)),
        ):
            rate = self.params.std_rate * torch.ones_like(now)
            running.lerp_(now, torch.where(running < 0, 1.0, rate))

    def critic_loss(
        self, q: Tensor, sigma: Tensor, y_q: Tensor, y_z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the critics descend, summed over them.

        Args:
            q: (S, E, B).
            sigma: (S, E, B).
            y_q: (S, B).
            y_z: (S, B).

        Returns:
            (S,); and the share of rows whose y_z was clipped, (S,).
        """
        p, y_q, y_z = self.params, y_q.unsqueeze(1), y_z.unsqueeze(1)
        if p.algorithm == "sac":
            return (q - y_q).square().mean(-1).sum(-1), q.new_zeros(len(q))
        first = p.algorithm == "dsac_v1"
        mean, std, width = q.detach(), sigma.detach(), self.mean_std[..., None]
        b = p.bound * torch.ones_like(width) if first else p.clip * width
        off = y_z - mean
        near = off.clamp(-b, b)  # C - Q
        clipped = (off.abs() > b).float().mean((1, 2))
        if p.loss == "code" and not first:
            weight = (width.square() / (std.square() + BIAS)).clamp(*WEIGHTS)
            gap = (std.square() - huber(near)) / (std + BIAS)
            each = weight * (huber(q - y_q) + sigma * gap)
        else:
            error = off if first else y_q - mean
            of_mean = -error / (std.square() + BIAS) * q
            of_std = -(near.square() - std.square()) / (std**3 + BIAS) * sigma
            each = of_mean + of_std
            if not first:
                each = (self.mean_variance[..., None] + BIAS) * each
        return each.mean(-1).sum(-1), clipped

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step critics and, if it is their turn, actor, temperature and targets."""
        p, o = self.params, batch.observation
        y_q, y_z, log_pi = self.targets(batch)
        q, sigma = self.critics(o, batch.action)
        self.renew(sigma)
        loss, clipped = self.critic_loss(q, sigma, y_q, y_z)
        turn = step % p.policy_delay == 0
        slopes: Sequence[Tensor] = ()
        if turn:  # before the critics move
            a, own = sample_tanh_gaussian(self.actor, o, batch.noise["current"])
            alpha = self.log_temperature.detach().exp()[:, None]
            climbed = self.critics(o, a)[0].amin(1)
            descent = (alpha * own - climbed).mean(-1).sum()
            slopes = torch.autograd.grad(descent, self.optimisers["actor"].parameters)
        self.descend("critics", loss)
        if turn:
            self.optimisers["actor"].step(slopes)
            goal = -p.target_entropy_scale * self.spaces.action
            gap = -own.detach().mean(-1) - goal
            self.descend("temperature", self.log_temperature * gap)
            polyak(self.target, self.critics, p.polyak)
            polyak(self.target_actor, self.actor, p.polyak)
        return {
            "critic_loss": loss.detach(),
            "value": q.detach().mean((1, 2)),
            "deviation": sigma.detach().mean((1, 2)),
            "clipped": clipped,
            "entropy": -log_pi.mean(-1),
            "temperature": self.log_temperature.detach().exp(),
        }

    def policy(self) -> Feedforward:
        """The gaussian actor; its noise is an explicit input."""
        return self.actor


def huber(error: Tensor) -> Tensor:
    """Half the square, a line beyond 50."""
    zero = torch.zeros_like(error)
    return nn.functional.huber_loss(error, zero, reduction="none", delta=HUBER)
