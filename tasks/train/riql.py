"""RIQL: IQL for data of which a part is wrong.

Paper: Yang et al. 2024, "Towards Robust Offline Reinforcement Learning under Diverse
Data Corruption" (arXiv 2310.12955). To IQL (``cores/implicit_q.py``) it adds three
things: observations are normalised by the corrupted data's statistics over s and s'
together, the critics descend a Huber loss, and the advantage is taken to a low quantile
of K target critics, so that steps they disagree on, which wrong ones are, weigh little:

    u    = quantile_q(Qbar_1(s, a), ..., Qbar_K(s, a)) - V(s)
    L_V  = mean |tau - 1(u < 0)| u^2
    y    = clip(r + discount (1 - d) V(s'), target_low, target_high)
    L_Q  = mean_k mean H(y - Q_k(s, a))
    H(x) = x^2 / (2 delta) if |x| < delta else |x| - delta / 2,   delta = 1 / sigma^2
    L_pi = mean min(exp(beta u), weight_max) ||pi(s) - a||^2

A gaussian policy has -log pi(a | s) in place of the last square. Reference
implementation: YangRui2015/RIQL ``RIQL.py``.

Known from the reference code alone: targets are clipped, critics begin small (hidden
biases 0.1, last layer U(-3e-3, 3e-3)), rewards are those of the world. The clip [-100,
1000] fits rewards of hopper's kind; where returns are very negative (pendulum: down to
-1600) widen ``target_low`` or scale the rewards.

Where the data says which steps were corrupted, the curves show the critics' spread and
the mean less the quantile on those and on the others; nothing else looks at it.
Departed from: the reference's critics draw hidden weights from U(-1, 1) /
sqrt(outputs), as CORL's ensembles do, ours divide by inputs as torch does;
the reference's baseline IQL sees observations as they are, ours always
normalises; ``normalise: none``, two members and quantile 0 give the reference's, and a
small sigma its squared errors.

Shapes: S seeds, B batch, K ensemble.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.artifacts.seeding import generator
from tasks.artifacts.transitions import constant_columns
from tasks.nets.fitting import Loss
from tasks.train import Batch, Spaces
from tasks.train.cores.actor_critic import gentle_start
from tasks.train.cores.implicit_q import ImplicitParams, ImplicitQ
from tasks.train.cores.losses import expectile_loss

LAST_LAYER = 3e-3  # bound of the initial weights of the critics' last layer


@dataclass(frozen=True)
class RIQLParams(ImplicitParams):
    """Parameters of RIQL; units and ranges stand in params/train/riql.yaml."""

    expectile: Annotated[Sweepable, Range(0, 1, open=True)]
    members: Annotated[int, Range(2, 1000)]
    quantile: Annotated[float, Range(0, 1)]
    sigma: Annotated[float, Range(0, 1e9, open=True)]
    target_low: Annotated[Sweepable, Range(-1e9, 1e9)]
    target_high: Annotated[Sweepable, Range(-1e9, 1e9)]
    normalise: Annotated[str, OneOf(("pairs", "none"))]

    def __post_init__(self) -> None:
        """Also refuse a clip that leaves no targets."""
        super().__post_init__()
        if not self.target_low < self.target_high:
            raise RefusedError(
                PARAMS,
                "target_low",
                self.target_low,
                f"less than target_high, {self.target_high}",
                MEND,
            )


class RIQL(ImplicitQ[RIQLParams]):
    """IQL with Huber errors, a quantile of K critics, and normalised observations."""

    def __init__(
        self, params: RIQLParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        spaces = spaces.normalised(params.normalise)
        super().__init__(params, spaces, seeds, updates, params.members)
        if spaces.attacked:
            self.columns = (*self.columns, "attacked")
        still = constant_columns(spaces.observation_mean, spaces.observation_std)
        if params.normalise == "pairs" and bool(still.any()):
            warnings.warn(
                f"train.riql: observation {still.nonzero()[:, 0].tolist()} never "
                "changes in the data, and divided by 1e-3 of its size it is a lever "
                "for noise",
                stacklevel=2,
            )

    def initialise(self) -> None:
        """Start the critics small, as the reference code does."""
        draws = [generator(seed, "last layers") for seed in self.seeds]
        gentle_start(list(self.critics.net.layers), LAST_LAYER, draws)

    def value_loss(self, q: Tensor, v: Tensor) -> Loss:
        """IQL's expectile regression, on the quantile, (S, B) each."""
        return expectile_loss(q, v, self.params.expectile)

    def cautious_q(self, q: Tensor) -> Tensor:
        """A quantile over the critics, linear between them: (S, K, B) -> (S, B)."""
        return torch.quantile(q, self.params.quantile, dim=1, interpolation="linear")

    def backup(self, batch: Batch, v_next: Tensor) -> Tensor:
        """The critics' target of IQL, clipped to the range, (S, B)."""
        y = super().backup(batch, v_next)
        return y.clamp(self.params.target_low, self.params.target_high)

    def critic_loss(self, q: Tensor, y: Tensor) -> tuple[Loss, Tensor]:
        """Huber losses H of the Bellman errors, their mean over critics.

        H'(x) is x, clipped to [-delta, delta], over delta.

        Args:
            q: (S, K, B).
            y: (S, B).
        """
        y, delta = y.unsqueeze(1).expand_as(q), self.params.sigma**-2  # (S, K, B)
        errors = huber_loss(q, y, reduction="none", delta=delta) / delta
        slope = (q - y).clamp(-delta, delta) / (delta * q[0].numel())
        return Loss(errors.mean((-2, -1)), (slope,)), errors

    def more_metrics(self, batch: Batch, q: Tensor, y: Tensor) -> dict[str, Tensor]:
        """How often targets are clipped, and what critics say of corrupted rows.

        ``spread`` is the deviation over the target critics, ``caution`` their mean less
        the quantile; each of the clean and of the attacked rows, 0 where a batch has
        none.

        Args:
            batch: Of this update.
            q: Target critics at the logged actions, (S, K, B).
            y: The critics' targets, (S, B).

        Returns:
            (S,) each.
        """
        p = self.params
        clipped = (y <= p.target_low) | (y >= p.target_high)
        metrics = {"clip_share": clipped.float().mean(-1)}
        if "attacked" in batch.columns:
            mask = batch.columns["attacked"].squeeze(-1)  # (S, B)
            by_row = {"spread": q.std(1), "caution": q.mean(1) - self.cautious_q(q)}
            for kind, rows in (("clean", 1 - mask), ("attacked", mask)):
                count = rows.sum(-1).clamp(min=1)
                for name, values in by_row.items():
                    metrics[f"{name}_{kind}"] = (values * rows).sum(-1) / count
        return metrics
