"""A diffusion policy as ONNX nodes: what ``DiffusionPolicy.sample`` does in torch.

The plan is unrolled, the weights stand in the file once. A call's time is known, so its
embedding is a constant, and one call of a flow is a plain perceptron.
"""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from tasks.nets.ends import emit_bounded, emit_first, emit_normalised
from tasks.nets.graph import Graph
from tasks.nets.integer import IntegerLinear
from tasks.nets.layers import Linear
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
    enter = _first(policy, graph)(policy, graph, k)

    def network(_: Graph, x: str, time: float, at: str) -> str:
        with torch.no_grad():
            embedded = [
                embedding(scalar.to(embedding.frequencies) * policy.time_scale)[k]
                for embedding, scalar in zip(
                    embeddings, policy.times(time), strict=True
                )
            ]
        y = enter(x, torch.cat(embedded, -1).float(), at)
        for i, layer in enumerate(policy.layers[1:]):
            y = _emit_activation(graph, y, policy.activation, f"layer{i}")
            y = layer.emit(graph, y, k, f"layer{i + 1}")
        return y

    noise = _emit_noise(policy, graph)
    x = emit(policy.plan, graph, network, policy.kind, noise)
    x = graph.add(
        "Clip", x, graph.scalar("low", -1.0), graph.scalar("high", 1.0), name="squashed"
    )
    emit_bounded(graph, x, policy.action_scale, policy.action_offset)


def _first(policy: "DiffusionPolicy", graph: Graph) -> "First":
    """What adds the first layer: apart where that layer can be."""
    layer = policy.layers[0]
    if isinstance(layer, IntegerLinear) and layer.parts[1:]:
        return _emit_parts
    folds = type(layer) is Linear and graph.folds and not graph.double
    return _emit_first if folds else _emit_row


# (x (B, A), its time's embedding (1, times * W), a name for the call) -> (B, H)
Enter = Callable[[str, torch.Tensor, str], str]
First = Callable[["DiffusionPolicy", Graph, int], Enter]


def _emit_first(policy: "DiffusionPolicy", graph: Graph, k: int) -> Enter:
    """A first layer of floats, apart: what observation and time add is known before x.

    The observation's part is the same in every call, the time's a constant.
    """
    layer, a, o = policy.layers[0], policy.action_width, policy.observation_width
    own, told, seen = layer.weight[k].split([a, layer.inputs - a - o, o])
    statistics = policy.observation_mean, policy.observation_std
    bias, several = layer.bias[k, 0], policy.calls > 1

    def emit_seen(bias: torch.Tensor) -> str:
        given = (seen, bias, *statistics, "layer0.seen")
        return emit_first(graph, "observation", *given)

    known = emit_seen(bias) if several else ""

    def enter(x: str, time: torch.Tensor, at: str) -> str:
        part = (time[0].double() @ told.double()).float()  # (H,)
        if several:
            part_name = graph.constant(f"{at}_told", part)
            rest = graph.add("Add", known, part_name, name="layer0.rest")
        else:
            rest = emit_seen(bias + part)
        weight = graph.constant("layer0.weight", own)
        return graph.add("Gemm", x, weight, rest, name="layer0.out")

    return enter


def _emit_parts(policy: "DiffusionPolicy", graph: Graph, k: int) -> Enter:
    """A first layer of whole numbers that rounds x, times and observation apart."""
    statistics = policy.observation_mean, policy.observation_std
    normalised = emit_normalised(graph, "observation", *statistics)
    layer = policy.layers[0]

    def enter(x: str, time: torch.Tensor, at: str) -> str:
        times = [
            graph.constant(f"{at}_time{i}", part)
            for i, part in enumerate(torch.split(time, layer.parts[1:-1], -1))
        ]
        return str(layer.emit_parts(graph, [x, *times, normalised], k, "layer0"))

    return enter


def _emit_row(policy: "DiffusionPolicy", graph: Graph, k: int) -> Enter:
    """A first layer of any kind, on [x, time, observation] side by side."""
    add = graph.add
    statistics = policy.observation_mean, policy.observation_std
    normalised = emit_normalised(graph, "observation", *statistics)
    one = graph.constant("one", torch.ones(1, dtype=torch.int64))
    rows = add("Shape", "observation", name="rows", start=0, end=1)
    shape = add("Concat", rows, one, name="row_shape", axis=0)

    def enter(x: str, time: torch.Tensor, at: str) -> str:
        row = graph.constant(f"{at}_times", time)
        times = add("Expand", row, shape, name="times")
        row = add("Concat", x, times, normalised, name="told", axis=1)
        return str(policy.layers[0].emit(graph, row, k, "layer0"))

    return enter


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
