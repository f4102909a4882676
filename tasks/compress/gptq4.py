"""4-bit weights in blocks, rounded by GPTQ.

Frantar et al. 2022 (arXiv 2210.17323), reference github.com/IST-DASLab/gptq. With
H = 2/n sum x x^T of a layer's inputs, damped, and U = chol(H^-1)^T: column by column
q_j = quant(w_j), e = (w_j - q_j) / U_jj, w_{j:} -= e U_{j,j:}, so that later columns
make up for the error of earlier ones. Columns go in the order of falling H_jj. Scales
are those of the weights before (static groups), symmetric, the largest weight of a
block on the last code. Each layer sees the inputs the quantised layers before it give.

The first and last layer hold few of the weights and may keep 8 bits.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Range
from tasks.compress import CalibratedParams, Compressor, Result, Rows
from tasks.compress.cores.slices import Situation, layer_inputs, stack, take
from tasks.nets.policy import Policy
from tasks.nets.quantised import BlockLinear


@dataclass(frozen=True)
class Gptq4Params(CalibratedParams):
    """See params/compress/gptq4.yaml for units and ranges."""

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


class Gptq4(Compressor):
    """GPTQ, seed by seed."""

    Parameters = Gptq4Params
    bits = 4

    def __init__(self, params: Gptq4Params) -> None:
        super().__init__(params)
        self.block, self.damping = params.block, params.damping
        self.edge_bits = params.edge_bits

    def work(self, policy: Policy, rows: Rows) -> Result:
        """Quantise each layer on what the quantised ones before give it."""
        alone = [take(policy, k) for k in range(policy.seeds)]
        situation = rows.situation(policy)
        quantised = stack([self._one(one, situation) for one in alone])
        return Result(quantised, "second moments of each layer's inputs", policy)

    def _one(self, policy: Policy, situation: Situation) -> Policy:
        """Replace the layers of a policy of one seed."""
        layers: dict[str, Any] = policy.linears()
        names = list(layers)
        for name, linear in layers.items():
            x = layer_inputs(policy, situation, name)[name]  # (1, rows, I)
            bits = self.edge_bits if name in (names[0], names[-1]) else 4
            layer = BlockLinear(1, linear.inputs, linear.outputs, bits, self.block)
            weight = linear.weight[0].T.contiguous()  # (N, I)
            scale = block_scales(weight, bits, self.block)
            hessian = second_moments(x[0], self.damping)
            layer.codes = gptq(weight, scale, hessian, bits, self.block)[None]
            layer.scale.copy_(scale[None])
            layer.bias.copy_(linear.bias[:, 0])
            policy.replace_linears({name: layer})
        return policy


def block_scales(weight: Tensor, bits: int, block: int) -> Tensor:
    """Symmetric scales: (N, I) -> (N, ceil(I / block)), positive."""
    top = 2 ** (bits - 1) - 1
    padded = nn.functional.pad(weight, (0, -weight.shape[1] % block))
    largest = padded.reshape(len(weight), -1, block).abs().amax(2)
    return (largest / top).clamp(min=1e-12)


def round_to_nearest(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Codes of weights whose scale broadcasts against them."""
    top = 2 ** (bits - 1) - 1
    return (weight / scale).round().clamp(-top, top)


def second_moments(x: Tensor, damping: float) -> Tensor:
    """H = 2/n sum x x^T, plus ``damping`` of its mean diagonal: (n, I) -> (I, I)."""
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
