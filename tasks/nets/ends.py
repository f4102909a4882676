"""The two ends of a policy: its normaliser, and its bounds or its choice.

Numbers that do nothing are no nodes, and numbers that are all the same are scalars. A
first layer of floats takes the normaliser into its weights.
"""

import torch
from torch import Tensor

from tasks.artifacts.actions import check_legal
from tasks.nets.graph import Graph

FORBIDDEN = -1e9  # logit of an action the mask forbids

# rounding errors that folding may add to a sum of the first layer, at most
ADDED = 1e-6
HALF_BIT = 2.0**-24  # of float32


def emit_normalised(
    graph: Graph, x: str, mean: Tensor, std: Tensor, name: str = "observation"
) -> str:
    """(x - mean) / std, each (I,)."""
    x = _elementwise(graph, "Sub", x, mean, 0.0, f"{name}_mean")
    return _elementwise(graph, "Div", x, std, 1.0, f"{name}_std")


def emit_clipped(graph: Graph, x: str, limit: float, name: str) -> str:
    """Clip x to [-limit, limit]."""
    low = graph.scalar(f"{name}_min", -float(limit))
    high = graph.scalar(f"{name}_max", float(limit))
    return graph.add("Clip", x, low, high, name=name)


def emit_bounded(graph: Graph, x: str, scale: Tensor, offset: Tensor) -> None:
    """``action`` = x scale + offset, each (A,)."""
    x = _elementwise(graph, "Mul", x, scale, 1.0, "action_scale")
    x = _elementwise(graph, "Add", x, offset, 0.0, "action_offset")
    graph.add("Identity", x, name="action")


def permitted(logits: Tensor, legal: Tensor) -> Tensor:
    """Logits with those of forbidden actions very low, (S, B, A).

    Args:
        logits: (S, B, A).
        legal: (S, B, A), above 0.5 where an action is allowed.

    Raises:
        RefusedError: If a mask forbids every action.
    """
    allowed = legal > 0.5
    if not bool(allowed.any(-1).all()):
        check_legal(legal.flatten(0, -2).cpu().numpy(), "policy")
    return torch.where(allowed, logits, FORBIDDEN)


def emit_choice(graph: Graph, x: str, masked: bool) -> None:
    """``logits`` of x, by the input ``legal`` if masked; ``action``, the largest."""
    if masked:
        half = graph.constant("half", torch.tensor(0.5))
        floor = graph.constant("forbidden", torch.tensor(FORBIDDEN))
        allowed = graph.add("Greater", "legal", half, name="allowed")
        graph.add("Where", allowed, x, floor, name="logits")
    else:
        graph.add("Identity", x, name="logits")
    graph.add("ArgMax", "logits", name="action", axis=1, keepdims=0)


def emit_first(
    graph: Graph,
    x: str,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    std: Tensor,
    name: str,
) -> str:
    """((x - mean) / std) W + b as one Gemm, W / std in the file.

    b takes mean / std W, too, unless the mean is so many deviations large that sums
    would lose more than ``ADDED``, as x W and mean W nearly cancel; then a Sub before
    the Gemm stays, which loses nothing. Both are folded in float64. In a graph that
    does not fold, nodes are those of torch.

    Args:
        graph: Gets the nodes.
        x: (B, I), units of the world.
        weight: (I, N).
        bias: (N,).
        mean: (I,).
        std: (I,), positive.
        name: Of the layer.
    """
    if not graph.folds:
        x = emit_normalised(graph, x, mean, std)
        return _gemm(graph, x, weight, bias, name)
    wide = weight.detach().double() / std.double()[:, None]
    centre = mean.double()
    if float((centre.abs() @ wide.abs()).max()) * HALF_BIT > ADDED:
        x = _elementwise(graph, "Sub", x, mean, 0.0, "observation_mean")
        total = bias
    else:
        total = bias.double() - centre @ wide
    return _gemm(graph, x, wide, total, name)


def _gemm(graph: Graph, x: str, weight: Tensor, bias: Tensor, name: str) -> str:
    weight_name = graph.constant(f"{name}.weight", weight.float())
    bias_name = graph.constant(f"{name}.bias", bias.float())
    return graph.add("Gemm", x, weight_name, bias_name, name=f"{name}.out")


def _elementwise(
    graph: Graph, op: str, x: str, numbers: Tensor, idle: float, name: str
) -> str:
    """A node between x (B, N) and numbers (N,), if one is needed.

    Args:
        graph: Gets the node.
        op: Of the node.
        x: The first input.
        numbers: The second.
        idle: The number with which the operator does nothing.
        name: Of the numbers.
    """
    if bool((numbers == idle).all()):
        return x
    if bool(torch.all(numbers == numbers[0])):
        other = graph.scalar(name, float(numbers[0]))
    else:
        other = graph.constant(name, numbers)
    return graph.add(op, x, other, name=f"{name}_applied")
