"""Classifier-free guidance: one call of the network on a doubled batch.

Ho & Salimans 2022 (arXiv 2207.12598), whose w is ``weight`` - 1:

    noise = noise_without + weight * (noise_with - noise_without)

of the noise a network predicts with and without its condition. A plan does not know of
it: guidance wraps the network a plan calls, so what the plan keeps is already guided,
and a call counts once.
"""

import torch
from torch import Tensor

from tasks.nets.graph import Graph
from tasks.nets.sampling import Network
from tasks.nets.sampling_graph import Emit

INPUT = "guidance"  # of the ONNX graph, shape [1]


def guided(network: Network, weight: float) -> Network:
    """A network whose calls are guided, for a plan that runs in torch.

    Args:
        network: Takes (S, 2B, A): B rows with the condition, then the same without.
        weight: 0 leaves the condition out, 1 is the conditioned network itself.
    """

    def call(x: Tensor, time: float) -> Tensor:
        conditioned, free = network(torch.cat([x, x], 1), time).chunk(2, 1)
        return free + weight * (conditioned - free)

    return call


def emit_guided(network: Emit) -> Emit:
    """A guided network for a plan's graph, which has an input ``guidance`` [1].

    Args:
        network: Adds one call on (2B, A), rows with the condition first.
    """

    def call(graph: Graph, x: str, time: float, at: str) -> str:
        # Plans call inside Graph.again, so the same names serve every call.
        both = graph.add("Concat", x, x, name="doubled", axis=0)
        predicted = network(graph, both, time, at)
        rows = graph.add("Shape", x, name="doubled_rows", start=0, end=1)
        many = graph.constant("doubled_end", torch.tensor([2**62]))
        none = graph.constant("doubled_begin", torch.tensor([0]))
        axis = graph.constant("doubled_axis", torch.tensor([0]))
        conditioned = graph.add("Slice", predicted, none, rows, axis, name="told")
        free = graph.add("Slice", predicted, rows, many, axis, name="untold")
        apart = graph.add("Sub", conditioned, free, name="apart")
        part = graph.add("Mul", apart, INPUT, name="guided_part")
        return graph.add("Add", free, part, name="guided")

    return call
