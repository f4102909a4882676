"""SAC-N: the smallest of many critics keeps the actor near the data.

Paper: An et al. 2021, "Uncertainty-Based Offline Reinforcement Learning with
Diversified Q-Ensemble" (arXiv 2110.01548), section 3: soft actor-critic whose minima go
over N critics in place of two,

    y    = r + discount (1 - d) (min_{i=1..N} Qbar_i(s', a') - alpha log pi(a' | s'))
    L_pi = mean (alpha log pi(b | s) - min_{i=1..N} Q_i(s, b))

with a' ~ pi(. | s') and b ~ pi(. | s). ``SoftEnsemble`` in
``cores/soft_actor_critic.py`` has all of it. Reference implementation: CORL
``sac_n.py``.
"""

from dataclasses import dataclass

from tasks.train.cores.soft_actor_critic import EnsembleParams, SoftEnsemble


@dataclass(frozen=True)
class SACNParams(EnsembleParams):
    """Parameters of SAC-N; units and ranges stand in params/train/sac_n.yaml."""


class SACN(SoftEnsemble[SACNParams]):
    """N critics, their minimum in target and actor, and entropy in the target."""
