"""A diffusion policy as ONNX nodes: what ``DiffusionPolicy.sample`` does in torch.

The plan is unrolled, the weights stand in the file once. A call's time is known, so its
embedding is a constant, and one call of a flow is a plain perceptron.
"""

import copy
from typing import TYPE_CHECKING

import torch

from tasks.nets.graph import Graph
from tasks.nets.sampling_graph import emit

if TYPE_CHECKING:
    from tasks.nets.diffusion import DiffusionPolicy


def emit_policy(policy: "DiffusionPolicy", graph: Graph, k: int) -> None:
    """Add seed slice ``k``: the plan unrolled, its weights once."""
    if policy.is_double and not graph.double:
        with graph.in_double(policy.inputs(), ["action"]):
            emit_policy(policy, graph, k)
        return
    embeddings = policy.embeddings
    if policy.is_double:  # as the step in torch does
        embeddings = copy.deepcopy(embeddings).double()
    add, constant = graph.add, graph.constant
    mean = constant("observation_mean", policy.observation_mean)
    std = constant("observation_std", policy.observation_std)
    x = add("Sub", "observation", mean, name="observation_centred")
    normalised = add("Div", x, std, name="observation_normalised")
    one = constant("one", torch.ones(1, dtype=torch.int64))
    rows = add("Shape", "observation", name="rows", start=0, end=1)
    shape = add("Concat", rows, one, name="row_shape", axis=0)

    def network(_: Graph, x: str, time: float, at: str) -> str:
        with torch.no_grad():
            embedded = [
                embedding(scalar.to(embedding.frequencies) * policy.time_scale)[k]
                for embedding, scalar in zip(
                    embeddings, policy.times(time), strict=True
                )
            ]
        row = torch.cat(embedded, -1).float()  # (1, times * W)
        times = add("Expand", constant(f"{at}_times", row), shape, name="times")
        y = add("Concat", x, times, normalised, name="told", axis=1)
        for i, layer in enumerate(policy.layers):
            y = layer.emit(graph, y, k, f"layer{i}")
            if i < len(policy.layers) - 1:
                y = _emit_activation(graph, y, policy.activation, f"layer{i}")
        return y

    noise = _emit_noise(policy, graph)
    x = emit(policy.plan, graph, network, policy.kind, noise)
    x = add(
        "Clip", x, graph.scalar("low", -1.0), graph.scalar("high", 1.0), name="squashed"
    )
    x = add("Mul", x, constant("action_scale", policy.action_scale), name="scaled")
    add("Add", x, constant("action_offset", policy.action_offset), name="action")


def _emit_noise(policy: "DiffusionPolicy", graph: Graph) -> list[str]:
    """The plan's noises, (B, A) each, cut from the input."""
    count, width = policy.plan.noises, policy.action_width
    if count == 1:
        return ["noise"]
    axis = graph.constant("noise_axis", torch.tensor([1]))
    ends = [
        graph.constant(f"noise_end{i}", torch.tensor([i * width]))
        for i in range(count + 1)
    ]
    return [
        graph.add("Slice", "noise", ends[i], ends[i + 1], axis, name=f"noise{i}")
        for i in range(count)
    ]


def _emit_activation(graph: Graph, x: str, activation: str, name: str) -> str:
    """One of the activations that ``diffusion.ACTIVATIONS`` has in torch."""
    if activation == "silu":
        y = graph.add("Sigmoid", x, name=f"{name}.gate")
        return graph.add("Mul", x, y, name=f"{name}.silu")
    if activation == "mish" and graph.double:  # onnxruntime has none in float64
        return _emit_wide_mish(graph, x, name)
    return graph.add(activation.title(), x, name=f"{name}.{activation}")


def _emit_wide_mish(graph: Graph, x: str, name: str) -> str:
    """Mish as x n / (n + 2), n = e^x (e^x + 2): that is x tanh(ln(1 + e^x))."""
    add = graph.add
    two = graph.scalar(f"{name}.two", 2.0)
    y = add("Min", x, graph.scalar(f"{name}.most", 100.0), name=f"{name}.low")
    y = add("Exp", y, name=f"{name}.exp")  # n / (n + 2) is 1 long before 100
    n = add("Mul", y, add("Add", y, two, name=f"{name}.exp2"), name=f"{name}.n")
    share = add("Div", n, add("Add", n, two, name=f"{name}.n2"), name=f"{name}.gate")
    return add("Mul", x, share, name=f"{name}.mish")
