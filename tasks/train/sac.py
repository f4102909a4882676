"""SAC, the online learner that trains the behaviour policies.

Paper: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications"
(arXiv 1812.05905), with the learned temperature of its section 5. Reference
implementation of the usual details: CleanRL ``sac_continuous_action.py``.
"""

from dataclasses import dataclass

from tasks.train.cores.soft_actor_critic import SoftActorCritic, SoftParams


@dataclass(frozen=True)
class SACParams(SoftParams):
    """See params/train/sac.yaml for units and ranges."""


class SAC(SoftActorCritic[SACParams]):
    """Soft actor-critic with twin critics: the core just as it is."""

    Parameters = SACParams
