"""SAC-N: the smallest of many critics keeps the actor near the data.

Paper: An et al. 2021, "Uncertainty-Based Offline Reinforcement Learning with
Diversified Q-Ensemble" (arXiv 2110.01548), section 3. Reference implementation: CORL
``sac_n.py``. All of it is :class:`tasks.train.cores.soft_actor_critic.SoftEnsemble`.
"""

from dataclasses import dataclass

from tasks.train.cores.soft_actor_critic import EnsembleParams, SoftEnsemble


@dataclass(frozen=True)
class SACNParams(EnsembleParams):
    """See params/train/sac_n.yaml for units and ranges."""


class SACN(SoftEnsemble[SACNParams]):
    """N critics, min over all of them in target and actor, entropy in the backup."""

    Parameters = SACNParams
