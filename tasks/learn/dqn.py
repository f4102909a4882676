"""DQN: deep Q-learning, online, in worlds with discrete actions.

Papers: Mnih et al. 2015, "Human-level control through deep reinforcement learning"
(Nature 518) and, for its target, van Hasselt, Guez & Silver 2016, "Deep Reinforcement
Learning with Double Q-learning" (arXiv 1509.06461). The loss is

    L = mean Huber(Q(s, a) - r - discount (1 - d) Qbar(s', argmax_a' Q(s', a')))

with d for a termination; ``tasks/train/cores/double_q.py`` has it. The paper
clips the error's gradient to [-1, 1], which is the Huber loss. Adam instead of RMSProp,
as in CleanRL's ``dqn.py``. Forbidden actions are neither explored nor bootstrapped
from.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.actions import pick_legal
from tasks.artifacts.params import Range
from tasks.learn import Chance, ReplayLearner, ReplayParams
from tasks.nets.optimisers import polyak
from tasks.train import Batch
from tasks.train.cores.double_q import QLearner, QParams


@dataclass(frozen=True)
class DQNParams(QParams, ReplayParams):
    """Parameters of DQN; units and ranges stand in params/learn/dqn.yaml."""

    epsilon_start: Annotated[float, Range(0, 1)]
    epsilon_end: Annotated[float, Range(0, 1)]
    epsilon_share: Annotated[float, Range(0, 1, open=True)]


class DQN(QLearner[DQNParams], ReplayLearner[DQNParams]):
    """Double Q-learning, greedy but for a share of random actions."""

    starts = ("discrete_cql",)  # whose policy's logits are Q as well

    def act(
        self, observation: Tensor, legal: Tensor | None, chance: Chance, step: int
    ) -> Tensor:
        """The best allowed action, or any allowed one with a share that falls."""
        p, count = self.params, self.spaces.action
        lead = observation.shape[:2]
        allowed = torch.ones(*lead, count) if legal is None else legal
        luck = chance.uniform.reshape(-1, chance.uniform.shape[-1])
        action = pick_legal(luck[:, 1], allowed.reshape(-1, count).numpy())
        if step >= p.warm_up or self.started:
            best = self.policy()(observation, legal=allowed).numpy().reshape(-1)
            action = np.where(luck[:, 0] < self.epsilon(step), action, best)
        return torch.eye(count)[torch.from_numpy(action)].view(*lead, count)

    def epsilon(self, step: int) -> float:
        """Share of random actions after some steps, falling linearly.

        Args:
            step: Number of the step, 0...

        Returns:
            From ``epsilon_start`` at step 0 to ``epsilon_end`` after ``epsilon_share``
            of all steps.
        """
        p = self.params
        done = min(1.0, step / (p.epsilon_share * self.updates))
        return p.epsilon_start + done * (p.epsilon_end - p.epsilon_start)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend the error; renew the target network when it is time."""
        q = self.q.logits(batch.observation)
        loss = self.td_loss(q, batch)
        self.descend("q", loss)
        self.renew_target(step)
        return {
            "critic_loss": loss.detach(),
            "value": q.detach().amax(-1).mean(-1),
        }

    def start(self) -> None:
        """Let the target begin where Q does."""
        polyak(self.target.layers, self.q.layers, 1.0)
