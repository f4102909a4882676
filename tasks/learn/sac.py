"""SAC: soft actor-critic, learning online.

Paper: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications"
(arXiv 1812.05905), with the learned temperature alpha of its section 5. With
a' ~ pi(. | s') and b ~ pi(. | s):

    y       = r + discount (1 - d) (min_i Qbar_i(s', a') - alpha log pi(a' | s'))
    L_Q     = sum_i mean (Q_i(s, a) - y)^2                                  eq. 5
    L_pi    = mean (alpha log pi(b | s) - min_i Q_i(s, b))                  eqs. 7, 9
    L_alpha = alpha (mean -log pi(b | s) - goal)                            eq. 18

``tasks/train/cores/soft_actor_critic.py`` has all of it. While it learns it acts by
b, and by uniformly random actions in the warm-up. Reference implementation of the usual
details: CleanRL ``sac_continuous_action.py``.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from tasks.learn import Chance, ReplayLearner, ReplayParams
from tasks.nets.critic import Critic
from tasks.nets.feedforward import Feedforward
from tasks.nets.optimisers import polyak
from tasks.train.cores.actor_critic import trained_critic
from tasks.train.cores.soft_actor_critic import SoftActorCritic, SoftParams


@dataclass(frozen=True)
class SACParams(SoftParams, ReplayParams):
    """Parameters of SAC; units and ranges stand in params/learn/sac.yaml."""


class SAC(SoftActorCritic[SACParams], ReplayLearner[SACParams]):
    """Soft actor-critic with twin critics: the core just as it is."""

    starts = ("sac_n", "edac")

    def act(
        self, observation: Tensor, legal: Tensor | None, chance: Chance, step: int
    ) -> Tensor:
        """A sample of the policy; uniform in [-1, 1] in the warm-up of a fresh one."""
        del legal
        if step < self.params.warm_up and not self.started:
            width = self.spaces.action
            return torch.from_numpy(2 * chance.uniform[..., :width] - 1)
        actor = cast(Feedforward, self.policy())
        noise = torch.from_numpy(chance.normal)
        return actor.squashed(actor.normalise(observation), noise)

    def critic(self) -> Critic:
        """Both critics."""
        return trained_critic(self.spaces, self.critics)

    def start(self) -> None:
        """Let the targets begin where the critics do."""
        polyak(self.target, self.critics, 1.0)
