"""Classifier-free guidance: one call of the network on a doubled batch.

Ho & Salimans 2022 (arXiv 2207.12598): said = without + weight * (with - without), of
the noise a network predicts. A plan does not know of it: guidance wraps the network a
plan calls, so what the plan keeps is already guided, and a call counts once.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.nets.sampling import Emit, Network

if TYPE_CHECKING:
    from tasks.nets.graph import Graph

INPUT = "guidance"  # of the ONNX graph, shape [1]


def guided(network: Network, weight: float) -> Network:
    """A network for :func:`sampling.run`.

    Args:
        network: Takes (S, 2B, A): B rows with the condition, then the same without.
        weight: 0 leaves the condition out, 1 is the conditioned network itself.
    """

    def call(x: Tensor, time: float) -> Tensor:
        told, untold = network(torch.cat([x, x], 1), time).chunk(2, 1)
        return untold + weight * (told - untold)

    return call


def emit_guided(network: Emit) -> Emit:
    """The same for :func:`sampling.emit`; the graph has an input ``guidance`` [1].

    Args:
        network: Adds one call on (2B, A), rows with the condition first.
    """

    def call(graph: "Graph", x: str, time: float, at: str) -> str:
        # Plans call inside Graph.again, so the same names serve every call.
        both = graph.add("Concat", x, x, name="doubled", axis=0)
        said = network(graph, both, time, at)
        rows = graph.add("Shape", x, name="doubled_rows", start=0, end=1)
        many = graph.constant("doubled_end", torch.tensor([2**62]))
        none = graph.constant("doubled_begin", torch.tensor([0]))
        axis = graph.constant("doubled_axis", torch.tensor([0]))
        told = graph.add("Slice", said, none, rows, axis, name="told")
        untold = graph.add("Slice", said, rows, many, axis, name="untold")
        apart = graph.add("Sub", told, untold, name="apart")
        part = graph.add("Mul", apart, INPUT, name="guided_part")
        return graph.add("Add", untold, part, name="guided")

    return call
