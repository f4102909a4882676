"""SAC, the online learner that trains the behaviour policies.

Paper: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications"
(arXiv 1812.05905), with the learned temperature alpha of its section 5. With
a' ~ pi(. | s') and b ~ pi(. | s):

    y       = r + discount (1 - d) (min_i Qbar_i(s', a') - alpha log pi(a' | s'))
    L_Q     = sum_i mean (Q_i(s, a) - y)^2                                  eq. 5
    L_pi    = mean (alpha log pi(b | s) - min_i Q_i(s, b))                  eqs. 7, 9
    L_alpha = alpha (mean -log pi(b | s) - goal)                            eq. 18

``cores/soft_actor_critic.py`` has all of it. Reference implementation of the usual
details: CleanRL ``sac_continuous_action.py``.
"""

from dataclasses import dataclass

from tasks.train.cores.soft_actor_critic import SoftActorCritic, SoftParams


@dataclass(frozen=True)
class SACParams(SoftParams):
    """Parameters of SAC; units and ranges stand in params/train/sac.yaml."""


class SAC(SoftActorCritic[SACParams]):
    """Soft actor-critic with twin critics: the core just as it is."""
