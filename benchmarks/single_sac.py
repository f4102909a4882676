"""SAC with its environment as a single-file implementation writes it.

Written here from the equations of Haarnoja et al. 2018 (arXiv 1812.05905) in the style
of CleanRL's files: one seed, one environment of Gymnasium, ``nn.Linear`` layers, a
buffer of NumPy arrays, an Adam for the actor, for both critics and for the temperature.
Widths, rates and the schedule are those of params/learn/sac.yaml; logging is left out.
"""

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from benchmarks.single_file import mlp

LOG_STD = (-5.0, 2.0)
FLOOR = 1e-6  # in the logarithm of tanh's slope


class Buffer:
    """What was done, in arrays of a fixed length.

    Args:
        size: Steps.
        o: Width of an observation.
        a: Of an action.
    """

    def __init__(self, size: int, o: int, a: int) -> None:
        shapes = ((o,), (a,), (1,), (o,), (1,))
        self.arrays = [np.zeros((size, *shape), np.float32) for shape in shapes]
        self.count, self.draw = 0, np.random.default_rng(0)

    def add(self, *row: Any) -> None:
        """Store a step."""
        for array, value in zip(self.arrays, row, strict=True):
            array[self.count % len(array)] = value
        self.count += 1

    def sample(self, batch: int) -> list[Tensor]:
        """Draw rows evenly."""
        filled = min(self.count, len(self.arrays[0]))
        rows = self.draw.integers(0, filled, batch)
        return [torch.from_numpy(array[rows]) for array in self.arrays]


class SingleSAC:
    """Soft actor-critic with twin critics and a learned temperature.

    Args:
        env: Of Gymnasium, with continuous actions between -bound and bound.
        block: Parameters as params/learn/sac.yaml has them.
        batch: Rows an update.
    """

    def __init__(self, env: gymnasium.Env, block: dict[str, Any], batch: int) -> None:
        self.env, self.block, self.batch = env, block, batch
        self.o, self.a = env.observation_space.shape[0], env.action_space.shape[0]  # type: ignore[index]
        self.bound = float(env.action_space.high[0])  # type: ignore[attr-defined]
        self.actor = mlp([self.o, *block["actor_hidden"], 2 * self.a])
        self.q = [self.critic(block["critic_hidden"]) for _ in range(2)]
        self.q_target = copy.deepcopy(self.q)
        self.log_alpha = torch.zeros(1, requires_grad=True)
        critics = chain(*(q.parameters() for q in self.q))
        rate = block["critic_rate"]
        self.q_adam = torch.optim.Adam(critics, lr=rate)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), block["actor_rate"])
        self.alpha_adam = torch.optim.Adam([self.log_alpha], lr=rate)
        self.target_entropy = -block["target_entropy_scale"] * self.a

    def critic(self, hidden: Sequence[int]) -> nn.Sequential:
        """A network Q(s, a)."""
        return mlp([self.o + self.a, *hidden, 1])

    def sample(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """An action in [-1, 1] and its log likelihood, (B, A) and (B, 1)."""
        mean, log_std = self.actor(s).chunk(2, dim=-1)
        normal = torch.distributions.Normal(mean, log_std.clamp(*LOG_STD).exp())
        x = normal.rsample()
        a = torch.tanh(x)
        log = normal.log_prob(x) - torch.log(1 - a.pow(2) + FLOOR)
        return a, log.sum(1, keepdim=True)

    def learn(self, steps: int) -> None:
        """Act in the environment, and update after each step since the warm-up."""
        buffer = Buffer(min(steps, self.block["replay"]), self.o, self.a)
        draw = np.random.default_rng(1)
        s, _ = self.env.reset(seed=0)
        for step in range(steps):
            if step < self.block["warm_up"]:
                a = draw.uniform(-1, 1, self.a).astype(np.float32)
            else:
                with torch.no_grad():
                    a = self.sample(torch.as_tensor(s)[None])[0][0].numpy()
            s2, r, ended, cut, _ = self.env.step(self.bound * a)
            buffer.add(s, a, r, s2, ended)
            s = self.env.reset()[0] if ended or cut else s2
            if step >= self.block["warm_up"]:
                self.update(*buffer.sample(self.batch))

    def update(self, s: Tensor, a: Tensor, r: Tensor, s2: Tensor, d: Tensor) -> None:
        """Move critics, actor, temperature and targets once."""
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            a2, log = self.sample(s2)
            x2 = torch.cat([s2, a2], 1)
            soft = torch.min(*(q(x2) for q in self.q_target)) - alpha * log
            y = r + (1 - d) * self.block["discount"] * soft
        x = torch.cat([s, a], 1)
        losses = [F.mse_loss(q(x), y) for q in self.q]
        self.descend(self.q_adam, losses[0] + losses[1])
        pi, log = self.sample(s)
        x = torch.cat([s, pi], 1)
        self.descend(
            self.actor_adam, (alpha * log - torch.min(*(q(x) for q in self.q))).mean()
        )
        gap = log.detach() + self.target_entropy
        self.descend(self.alpha_adam, -(self.log_alpha.exp() * gap).mean())
        tau = self.block["polyak"]
        with torch.no_grad():
            for target, net in zip(self.q_target, self.q, strict=True):
                for t, p in zip(target.parameters(), net.parameters(), strict=True):
                    t.copy_((1 - tau) * t + tau * p)

    @staticmethod
    def descend(optimiser: torch.optim.Adam, loss: Tensor) -> None:
        """Take one step of an optimiser down a loss."""
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
