"""4-bit weights in blocks, rounded by GPTQ.

Frantar et al. 2022 (arXiv 2210.17323), reference implementation
github.com/IST-DASLab/gptq. Of a layer with inputs x_1..x_n and weights w, a row an
output unit, columns j in the order of falling H_jj:

    H      = 2/n sum_i x_i x_i^T + damping mean(diag H) I
    U      = chol(H^-1)^T, upper triangular
    q_j    = clip(round(w_j / s), -(2^(b-1) - 1), 2^(b-1) - 1) s      column j rounded
    e      = (w_j - q_j) / U_jj
    w_{j:} = w_{j:} - e U_{j,j:}         later columns make up for the error of this one

The scale s of a block of inputs is max |w| / (2^(b-1) - 1) over the weights as they
were (static groups, symmetric). Each layer sees the inputs the quantised layers before
it give. The first and last layer hold few of the weights and may keep 8 bits.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Range
from tasks.compress import CalibratedParams, Compressor, Result, Rows
from tasks.compress.cores.layer_inputs import Situation, layer_inputs
from tasks.compress.cores.rounding import block_scales, round_to_nearest
from tasks.nets.policy import Policy, stack, take
from tasks.nets.quantised import BlockLinear


@dataclass(frozen=True)
class Gptq4Params(CalibratedParams):
    """Parameters of ``gptq4``; units stand in params/compress/gptq4.yaml."""

    block: Annotated[int, Range(16, 1024)]
    edge_bits: Annotated[int, Range(4, 8)]
    damping: Annotated[float, Range(0, 1, open=True)]

    def __post_init__(self) -> None:
        """Also refuse what the storage has no form for."""
        super().__post_init__()
        if self.block & (self.block - 1):
            raise RefusedError(
                PARAMS, "block", self.block, "a power of two >= 16", "change block"
            )
        if self.edge_bits not in (4, 8):
            raise RefusedError(
                PARAMS, "edge_bits", self.edge_bits, "4 or 8", "change edge_bits"
            )


class Gptq4(Compressor[Gptq4Params]):
    """GPTQ, seed by seed."""

    bits = 4

    def work(self, policy: Policy, rows: Rows) -> Result:
        """Quantise each layer on what the quantised ones before give it."""
        alone = [take(policy, k) for k in range(policy.seeds)]
        situation = rows.situation(policy)
        quantised = stack([self._of_seed(one, situation) for one in alone])
        return Result(quantised, "second moments of each layer's inputs", policy)

    def _of_seed(self, policy: Policy, situation: Situation) -> Policy:
        """Replace the layers of a policy of one seed."""
        p = self.params
        layers: dict[str, Any] = policy.linears()
        names = list(layers)
        for name, linear in layers.items():
            x = layer_inputs(policy, situation, name)[name]  # (1, rows, I)
            bits = p.edge_bits if name in (names[0], names[-1]) else 4
            layer = BlockLinear(1, linear.inputs, linear.outputs, bits, p.block)
            weight = linear.weight[0].T.contiguous()  # (N, I)
            scale = block_scales(weight, bits, p.block)
            hessian = second_moments(x[0], p.damping)
            layer.codes = gptq(weight, scale, hessian, bits, p.block)[None]
            layer.scale.copy_(scale[None])
            layer.bias.copy_(linear.bias[:, 0])
            policy.replace_linears({name: layer})
        return policy


def second_moments(x: Tensor, damping: float) -> Tensor:
    """H = 2/n sum x x^T + damping mean(diag H) I.

    Args:
        x: Inputs of a layer, (n, I).
        damping: Share of the mean diagonal, (0, 1).

    Returns:
        (I, I), float64, positive definite.
    """
    x = x.double()
    hessian = 2 / len(x) * x.T @ x
    extra = damping * hessian.diagonal().mean().clamp(min=1e-12)
    return hessian + extra * torch.eye(len(hessian), dtype=torch.float64)


def gptq(
    weight: Tensor, scale: Tensor, hessian: Tensor, bits: int, block: int
) -> Tensor:
    """Codes of one layer.

    Args:
        weight: (N, I).
        scale: (N, ceil(I / block)).
        hessian: (I, I), float64, positive definite.
        bits: Of a code.
        block: Inputs that share a scale.

    Returns:
        (N, I), whole numbers.
    """
    order = hessian.diagonal().argsort(descending=True, stable=True)
    ordered = hessian[order][:, order]
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(ordered))
    upper = torch.linalg.cholesky(inverse, upper=True)  # (I, I)
    rest = weight.double()[:, order].T.contiguous()  # (I, N), what is still to do
    steps = scale.double().repeat_interleave(block, dim=1).T[order]  # (I, N)
    codes = torch.empty_like(rest)
    for j, step in enumerate(steps):
        codes[j] = round_to_nearest(rest[j], step, bits)
        error = (rest[j] - codes[j] * step) / upper[j, j]
        rest[j:] -= torch.outer(upper[j, j:], error)
    return codes[order.argsort()].T
