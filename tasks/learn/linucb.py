"""LinUCB: a linear bandit that takes each reward for the arm's own.

Paper: Abbasi-Yadkori, Pal, Szepesvari 2011, "Improved Algorithms for Linear Stochastic
Bandits" (NeurIPS 2011), with the constants of Mussi, Metelli, Restelli 2023 (ICML 2023,
PMLR 202:25563). It chooses at every step and learns from every reward, by the equations
of ``cores/linear_bandit.py`` without c2: what DynLin-UCB is without epochs. Where arms
push a hidden state, rewards tell of arms that were pulled before.
"""

from dataclasses import dataclass

from tasks.learn.cores.linear_bandit import LinearBandit, LinearParams


@dataclass(frozen=True)
class LinUCBParams(LinearParams):
    """Units and ranges stand in params/learn/linucb.yaml."""


class LinUCB(LinearBandit[LinUCBParams]):
    """An arm a step."""

    settles = False
