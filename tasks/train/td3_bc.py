"""TD3+BC: TD3 whose actor is held to the logged actions.

Paper: Fujimoto & Gu 2021, "A Minimalist Approach to Offline Reinforcement Learning"
(arXiv 2106.06860):

    L_pi   = mean (pi(s) - a)^2 - lambda mean Q_1(s, pi(s))
    lambda = alpha / mean |Q_1(s, pi(s))|               no gradient

The square is a mean over rows and dimensions. Critics, delay and target networks are in
``cores/td3.py``. Reference implementation: CORL ``td3_bc.py``. Paper and code add 1e-3
to the deviation that states are divided by; here it is the deviation alone, so that a
unit of 1e-6 is as good as any (``artifacts/transitions.py``).

Shapes: S seeds, B batch, A action.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.nets.fitting import Loss
from tasks.train import Batch
from tasks.train.cores.td3 import DelayedActor, DelayedParams


@dataclass(frozen=True)
class TD3BCParams(DelayedParams):
    """Parameters of TD3+BC; units and ranges stand in params/train/td3_bc.yaml."""

    alpha: Annotated[Sweepable, Range(0, 1e9)]


class TD3BC(DelayedActor[TD3BCParams]):
    """The actor maximises Q_1 under a squared-error penalty."""

    def actor_loss(self, batch: Batch, pi: Tensor) -> tuple[Loss, Tensor]:
        """The loss L_pi with its gradient by pi(s), and Q_1(s, pi(s)) (S, B)."""
        q, q_by_pi = self.critics.climb(batch.observation, pi)  # (S, B), (S, B, A)
        scale = self.params.alpha / q.abs().mean(-1)  # (S,), lambda
        error = pi - batch.action  # (S, B, A)
        each = error.square().mean((1, 2)) - scale * q.mean(-1)
        rows, numbers = q.shape[1], error[0].numel()
        slope = error * (2 / numbers) - q_by_pi * (scale / rows)[:, None, None]
        return Loss(each, (slope,)), q
