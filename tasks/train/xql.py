"""XQL: extreme Q-learning, whose value is a soft maximum over the logged actions.

Paper: Garg, Hejna, Geist & Ermon 2023, "Extreme Q-Learning: MaxEnt RL without Entropy"
(arXiv 2301.02328). Reference implementation: Div99/XQL ``offline/``. As there: the
value has a LayerNorm before each ReLU, critics and actor see its new weights, and
Bellman errors beyond a size count linearly (the paper squares them). Not taken over:
orthogonal initialisation, and the random actions some of its scripts add to the
value's fit, as this learner shall ask for logged actions alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor
from torch.nn.functional import huber_loss

from tasks.artifacts.params import Range
from tasks.train import Spaces
from tasks.train.cores.implicit_q import ImplicitParams, ImplicitQ


@dataclass(frozen=True)
class XQLParams(ImplicitParams):
    """See params/train/xql.yaml for units and ranges."""

    temperature: Annotated[float, Range(0, open=True)]
    exponent_max: Annotated[float, Range(0, open=True)]
    huber: Annotated[float, Range(0, open=True)]


class XQL(ImplicitQ):
    """The value is fitted by Gumbel regression."""

    Parameters = XQLParams
    value_norm = "before"
    new_value = True

    def __init__(
        self, params: XQLParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.gumbel = params

    def value_loss(self, q: Tensor, v: Tensor) -> Tensor:
        """Descend exp(-m) mean(exp(z) - z - 1) with z = (Q - V) / temperature.

        z is cut at ``exponent_max``; a row beyond has no gradient. m is the largest z
        of the seed's batch, at least -1 and without gradient: the exponential cannot
        overflow, and outliers lower the learning rate.
        """
        p = self.gumbel
        z = ((q - v) / p.temperature).clamp(max=p.exponent_max)  # (S, B)
        m = z.detach().amax(-1, keepdim=True).clamp(min=-1)
        scale = (-m).exp()
        return ((z - m).exp() - z * scale - scale).mean(-1)

    def errors(self, q: Tensor, y: Tensor) -> Tensor:
        """Huber's, half a square near 0."""
        y = y.unsqueeze(1).expand_as(q)  # (S, E, B)
        return huber_loss(q, y, reduction="none", delta=self.gumbel.huber)

    def critic_loss(self, errors: Tensor) -> Tensor:
        """Sum over critics of their means."""
        return errors.mean(-1).sum(-1)
