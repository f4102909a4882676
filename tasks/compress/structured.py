"""Structured pruning: whole hidden units go, the layers are rebuilt smaller.

A unit's importance is the size of what it gives the next layer (as in Molchanov et al.
2019, arXiv 1906.10771, to first order, and He et al. 2017, arXiv 1707.06168): of unit u
with activations h_u on the rows and outgoing weights W_u,

    importance_u = sqrt(mean h_u^2) ||W_u||_2,   and the largest ``keep`` of them stay.

Each seed loses the same number of units, each its own. What remains is fine-tuned by
regression on the original policy's actions.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Range
from tasks.compress import Compressor, Result, VisitingParams
from tasks.compress.cores.regression import Fit
from tasks.compress.cores.rows import Rows
from tasks.compress.cores.students import linears, readout, rebuild
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear


@dataclass(frozen=True)
class StructuredParams(VisitingParams):
    """Parameters of ``structured``; units stand in params/compress/structured.yaml."""

    keep: Annotated[float, Range(0, 1, open=True)]
    steps: Annotated[int, Range(0, 1_000_000)]
    batch: Annotated[int, Range(1, 65_536)]
    rate: Annotated[float, Range(0, 1, open=True)]


class Structured(Compressor[StructuredParams]):
    """Prune by importance, then fine-tune."""

    policies = (Feedforward,)

    def work(self, policy: Feedforward, rows: Rows) -> Result:
        """Choose, rebuild, fine-tune."""
        p = self.params
        x = policy.normalise(rows.states(policy))
        small = prune(policy, x, p.keep)
        what = "importance of units"
        if p.steps:
            answer, seeds = partial(readout, small), rows.seeds
            fit = Fit(
                answer, small.layers, seeds, "structured", p.steps, p.batch, p.rate
            )
            fit.run([x], readout(policy, x), p.steps)
            what += f", {p.steps} updates on the policy's own actions"
        return Result(small, what)


def prune(policy: Feedforward, x: Tensor, keep: float) -> Feedforward:
    """A policy with the ``keep`` most important share of each hidden layer's units.

    Args:
        policy: Float layers; left as it is.
        x: Normalised observations, (S, N, O).
        keep: Share of units, (0, 1); at least one unit stays.

    Returns:
        A policy of narrower layers; all seeds lose the same number of units.
    """
    before = linears(policy)
    weights: list[Tensor] = [layer.weight for layer in before]  # (S, I, N)
    biases: list[Tensor] = [layer.bias for layer in before]  # (S, 1, N)
    for i, layer in enumerate(before[:-1]):
        x = policy.activate(layer(x))
        size = x.square().mean(1).sqrt()  # (S, H)
        importance = size * before[i + 1].weight.norm(dim=2)
        count = max(1, round(keep * layer.outputs))
        order = importance.argsort(dim=1, descending=True, stable=True)
        units = order[:, :count].sort(dim=1).values  # (S, count)
        weights[i] = weights[i].take_along_dim(units[:, None], dim=2)
        biases[i] = biases[i].take_along_dim(units[:, None], dim=2)
        weights[i + 1] = weights[i + 1].take_along_dim(units[..., None], dim=1)
    layers = []
    for weight, bias in zip(weights, biases, strict=True):
        stack, inputs, outputs = weight.shape
        linear = Linear(stack, inputs, outputs)
        linear.weight.data.copy_(weight)
        linear.bias.data.copy_(bias)
        layers.append(linear)
    return rebuild(policy, layers)
