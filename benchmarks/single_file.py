"""TD3+BC and IQL as single-file implementations write them, to measure against.

Written here in the style of CORL (``algorithms/offline/td3_bc.py``, ``iql.py``): one
seed, ``nn.Linear`` layers, a replay buffer of separate tensors, an Adam a network, a
deep copy as target. Losses and order are theirs; their logging is left out.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.optim.lr_scheduler import CosineAnnealingLR

DISCOUNT, TAU, RATE = 0.99, 0.005, 3e-4
TOTAL = 1_000_000  # updates of the schedule


def mlp(widths: Sequence[int], last: nn.Module | None = None) -> nn.Sequential:
    """Linear layers with ReLU between."""
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1], *([last] if last else []))


class Single:
    """What both learners share: the replay buffer, networks and updates.

    Args:
        data: Transitions, as ``episodes.transitions`` reads them.
        hidden: Widths of the hidden layers.
        batch: Rows an update.
    """

    def __init__(self, data: Any, hidden: Sequence[int], batch: int) -> None:
        fields = (
            data.observation,
            data.action,
            data.reward[:, None],
            data.next_observation,
            data.terminated[:, None],
        )
        self.tensors = [torch.as_tensor(x) for x in fields]
        self.hidden, self.batch = list(hidden), batch
        self.o, self.a = data.observation.shape[1], data.action.shape[1]
        self.draw = np.random.default_rng(0)

    def sample(self) -> list[Tensor]:
        """Draw a batch of rows uniformly."""
        rows = self.draw.integers(0, len(self.tensors[0]), self.batch)
        return [x[rows] for x in self.tensors]

    def critic(self) -> nn.Sequential:
        """A network Q(s, a)."""
        return mlp([self.o + self.a, *self.hidden, 1])

    @staticmethod
    def follow(target: nn.Module, source: nn.Module) -> None:
        """Move a target towards its source, parameter by parameter (Polyak)."""
        with torch.no_grad():
            for t, s in zip(target.parameters(), source.parameters(), strict=True):
                t.copy_((1 - TAU) * t + TAU * s)

    @staticmethod
    def descend(optimiser: torch.optim.Adam, loss: Tensor) -> None:
        """Take one step of an optimiser down a loss."""
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


class TD3BC(Single):
    """TD3+BC: twin critics with an Adam each, a delayed actor."""

    def __init__(self, data: Any, hidden: Sequence[int], batch: int) -> None:
        super().__init__(data, hidden, batch)
        self.actor = mlp([self.o, *self.hidden, self.a], nn.Tanh())
        self.q = [self.critic(), self.critic()]
        self.actor_target = copy.deepcopy(self.actor)
        self.q_target = copy.deepcopy(self.q)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), lr=RATE) for net in (self.actor, *self.q)
        ]

    def update(self, step: int) -> dict[str, float]:
        """Make an update of both critics, and every second time of the actor."""
        s, a, r, s2, d = self.sample()
        with torch.no_grad():
            noise = (torch.randn_like(a) * 0.2).clamp(-0.5, 0.5)
            a2 = (self.actor_target(s2) + noise).clamp(-1, 1)
            x2 = torch.cat([s2, a2], 1)
            y = r + (1 - d) * DISCOUNT * torch.min(*[q(x2) for q in self.q_target])
        x = torch.cat([s, a], 1)
        loss = F.mse_loss(self.q[0](x), y) + F.mse_loss(self.q[1](x), y)
        for optimiser in self.optimisers[1:]:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in self.optimisers[1:]:
            optimiser.step()
        if step % 2:
            pi = self.actor(s)
            q = self.q[0](torch.cat([s, pi], 1))
            scale = 2.5 / q.abs().mean().detach()
            actor_loss = -scale * q.mean() + F.mse_loss(pi, a)
            self.descend(self.optimisers[0], actor_loss)
            for target, net in zip(self.q_target, self.q, strict=True):
                self.follow(target, net)
            self.follow(self.actor_target, self.actor)
        return {"critic_loss": loss.item()}


class IQL(Single):
    """IQL: twin critics in one module, a value, a Gaussian actor with a cosine rate."""

    def __init__(self, data: Any, hidden: Sequence[int], batch: int) -> None:
        super().__init__(data, hidden, batch)
        self.q = nn.ModuleList([self.critic(), self.critic()])
        self.q_target = copy.deepcopy(self.q)
        self.v = mlp([self.o, *self.hidden, 1])
        self.actor = mlp([self.o, *self.hidden, self.a], nn.Tanh())
        self.log_std = nn.Parameter(torch.zeros(self.a))
        nets = (self.q, self.v)
        self.q_adam, self.v_adam = (
            torch.optim.Adam(net.parameters(), lr=RATE) for net in nets
        )
        both = [*self.actor.parameters(), self.log_std]
        self.actor_adam = torch.optim.Adam(both, lr=RATE)
        self.schedule = CosineAnnealingLR(self.actor_adam, TOTAL)

    def update(self, step: int) -> dict[str, float]:
        """Make an update of value, critics and actor."""
        del step
        s, a, r, s2, d = self.sample()
        x = torch.cat([s, a], 1)
        with torch.no_grad():
            target = torch.min(*[q(x) for q in self.q_target])
            v2 = self.v(s2)
        advantage = target - self.v(s)
        weight = torch.abs(0.7 - (advantage < 0).float())
        v_loss = (weight * advantage**2).mean()
        self.descend(self.v_adam, v_loss)
        y = r + (1 - d) * DISCOUNT * v2
        q_loss = sum(F.mse_loss(q(x), y) for q in self.q) / 2
        self.descend(self.q_adam, q_loss)
        self.follow(self.q_target, self.q)
        weight = torch.exp(3.0 * advantage.detach()).clamp(max=100.0)
        policy = Normal(self.actor(s), self.log_std.clamp(-20, 2).exp())
        loss = (weight * -policy.log_prob(a).sum(-1, keepdim=True)).mean()
        self.descend(self.actor_adam, loss)
        self.schedule.step()
        return {"value": v_loss.item(), "q": q_loss.item(), "actor": loss.item()}


LEARNERS = {"td3_bc": TD3BC, "iql": IQL}
