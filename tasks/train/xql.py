"""XQL: extreme Q-learning, whose value is a soft maximum over the logged actions.

Paper: Garg, Hejna, Geist & Ermon 2023, "Extreme Q-Learning: MaxEnt RL without Entropy"
(arXiv 2301.02328). The value is fitted by Gumbel regression, whose minimum is
V = T log E exp(Q / T) over the logged actions, with T the ``temperature``:

    z    = (min_i Qbar_i(s, a) - V(s)) / T
    L_V  = mean (exp(z) - z - 1)
    L_Q  = sum_i mean Huber(r + discount (1 - d) V(s') - Q_i(s, a))
    L_pi = -mean min(exp(beta T z), weight_max) log pi(a | s)

Actor and order of an update are in ``cores/implicit_q.py``. Reference implementation:
Div99/XQL ``offline/``. As there: the value has a LayerNorm before each ReLU, critics
and actor see its new weights, and Bellman errors beyond ``huber`` count linearly (the
paper squares them). Its scripts have a temperature and a clip for each dataset, which
the defaults take over. Not taken over: orthogonal initialisation, and the random or
noisy actions some of these scripts (hopper-medium-expert, halfcheetah-medium) add to
the value's fit, as this learner shall ask for logged actions alone.

Shapes: S seeds, B batch, E = 2 critics.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor
from torch.nn.functional import huber_loss

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.nets.fitting import Loss
from tasks.train.cores.implicit_q import ImplicitParams, ImplicitQ


@dataclass(frozen=True)
class XQLParams(ImplicitParams):
    """Parameters of XQL; units and ranges stand in params/train/xql.yaml."""

    temperature: Annotated[Sweepable, Range(0, 1e9, open=True)]
    exponent_max: Annotated[Sweepable, Range(0, 1e9, open=True)]
    huber: Annotated[float, Range(0, 1e9, open=True)]


class XQL(ImplicitQ[XQLParams]):
    """The value is fitted by Gumbel regression."""

    value_norm = "before"
    new_value = True

    def value_loss(self, q: Tensor, v: Tensor) -> Loss:
        """Gumbel regression in a safe form, exp(-m) mean (exp(z) - z - 1).

        z is cut at ``exponent_max``; a row beyond has no gradient. m is the largest z
        of the seed's batch, at least -1 and without gradient: so the exponential cannot
        overflow, and outliers lower the step.

        Args:
            q: Q of the logged action by the target critics, (S, B), no gradient.
            v: V(s), (S, B).
        """
        p = self.params
        whole = (q - v) / p.temperature
        z = whole.clamp(max=p.exponent_max)  # (S, B)
        m = z.amax(-1, keepdim=True).clamp(min=-1)
        scale = (-m).exp()
        weight = (z - m).exp()
        slope = (scale - weight) * (whole == z) / p.temperature / z.shape[-1]
        return Loss((weight - z * scale - scale).mean(-1), (slope,))

    def critic_loss(self, q: Tensor, y: Tensor) -> tuple[Loss, Tensor]:
        """Huber losses of the Bellman errors, summed over critics.

        Their gradient by Q is the error, clipped.

        Args:
            q: (S, E, B).
            y: (S, B).
        """
        y, huber = y.unsqueeze(1).expand_as(q), self.params.huber  # (S, E, B)
        errors = huber_loss(q, y, reduction="none", delta=huber)
        slope = (q - y).clamp(-huber, huber) / q.shape[-1]
        return Loss(errors.mean(-1).sum(-1), (slope,)), errors
