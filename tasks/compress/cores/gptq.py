"""GPTQ (arXiv 2210.17323): codes whose later weights make up for the earlier ones.

``gptq4.py`` has the equations.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.compress.cores.layer_inputs import Situation, layer_inputs
from tasks.compress.cores.rounding import block_scales, round_to_nearest
from tasks.compress.cores.visits import cut
from tasks.nets.network import AnyNetwork, Network, stack, take
from tasks.nets.quantised import BlockLinear


def check_storage(block: int, edge_bits: int) -> None:
    """Refuse parameters the storage of 4-bit weights has no form for."""
    if block & (block - 1):
        expected = "a power of two >= 16"
        raise RefusedError(PARAMS, "block", block, expected, "change block")
    if edge_bits not in (4, 8):
        raise RefusedError(PARAMS, "edge_bits", edge_bits, "4 or 8", "change edge_bits")


def bits_by_layer(policy: Network, edge_bits: int) -> dict[str, int]:
    """4 by the name of each layer, and ``edge_bits`` of the first and the last."""
    names = list(policy.linears())
    return {n: edge_bits if n in (names[0], names[-1]) else 4 for n in names}


def solve(
    policy: AnyNetwork,
    situation: Situation,
    bits: Mapping[str, int],
    block: int,
    damping: float,
) -> AnyNetwork:
    """A policy of ``BlockLinear`` layers, seed by seed.

    Args:
        policy: Float layers; left as it is.
        situation: What it is calibrated on.
        bits: Of each layer, by name.
        block: Inputs that share a scale.
        damping: Share of the mean diagonal, (0, 1).
    """
    alone = []
    for k in range(policy.seeds):
        seen = cut(situation, slice(None), k)
        alone.append(_of_seed(take(policy, k), seen, bits, block, damping))
    return stack(alone)


def _of_seed(
    policy: AnyNetwork,
    situation: Situation,
    bits: Mapping[str, int],
    block: int,
    damping: float,
) -> AnyNetwork:
    """Replace the layers of a policy of one seed."""
    layers: dict[str, Any] = policy.linears()
    for name, linear in layers.items():
        x = layer_inputs(policy, situation, name)[name]  # (1, rows, I)
        layer = BlockLinear(1, linear.inputs, linear.outputs, bits[name], block)
        weight = linear.weight[0].T.contiguous()  # (N, I)
        scale = block_scales(weight, bits[name], block)
        hessian = second_moments(x[0], damping)
        layer.codes = gptq(weight, scale, hessian, bits[name], block)[None]
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
