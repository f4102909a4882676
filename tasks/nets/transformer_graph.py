"""The Decision Transformer's step as ONNX nodes: what its ``step`` does in torch.

Token rows lie as in torch: (B*T, W), T = 3K. The action of the step itself, which is
not known yet, is zero and seen by nobody.
"""

from typing import TYPE_CHECKING, Any

import torch

from tasks.nets.attention import HIDDEN
from tasks.nets.ends import emit_bounded, emit_normalised
from tasks.nets.graph import Graph

if TYPE_CHECKING:
    from tasks.nets.transformer import DecisionTransformer


def emit(policy: "DecisionTransformer", graph: Graph, k: int) -> None:
    """Add seed slice ``k`` to a graph that has the policy's inputs and carry."""
    if policy.is_double and not graph.double:
        carry = policy.carry()
        ends = [*policy.outputs(), *(f"next_{name}" for name in carry)]
        with graph.in_double([*policy.inputs(), *carry], ends):
            emit(policy, graph, k)
        return
    tokens = 3 * policy.context
    numbers(graph, axis=[1], second=[1], far=[2**31])
    returns, observations, actions = _context(policy, graph)
    times = _times(policy, graph)
    x = _embed(policy, graph, k, (returns, observations, actions), times)
    mask, mask_last = _masks(policy, graph, times)
    for i, block in enumerate(policy.blocks):
        own = mask_last if block.last else mask
        x = block.emit(graph, x, k, f"block{i}", tokens, own, tokens - 2)
    x = policy.norm_out.emit(graph, x, k, "norm_out")
    x = policy.head.emit(graph, x, k, "head")
    x = graph.add("Tanh", x, name="squashed")
    emit_bounded(graph, x, policy.action_scale, policy.action_offset)
    y = graph.add("Unsqueeze", x, "axis", name="new_action")
    y = graph.add("Concat", "actions", y, name="all_actions", axis=1)
    forget(graph, y, "next_actions")


def numbers(graph: Graph, **values: list[int]) -> None:
    """Add lists of whole numbers."""
    for name, value in values.items():
        graph.constant(name, torch.tensor(value))


def forget(graph: Graph, x: str, name: str) -> str:
    """All but the oldest of the steps: (B, K, ...) -> (B, K-1, ...)."""
    return graph.add("Slice", x, "second", "far", "axis", name=name)


def _context(policy: "DecisionTransformer", graph: Graph) -> tuple[str, str, str]:
    """The K steps' returns, observations and actions, (B, K, width) each."""
    add = graph.add
    scale = graph.scalar("return_scale", policy.return_scale)
    x = add("Mul", "reward", scale, name="reward_scaled")
    to_go = add("Sub", "return_to_go", x, name="next_return_to_go")
    statistics = policy.observation_mean, policy.observation_std
    normal = emit_normalised(graph, "observation", *statistics)
    series = []
    for name, new in (("returns", to_go), ("observations", normal)):
        x = add("Unsqueeze", new, "axis", name=f"new_{name}")
        x = add("Concat", name, x, name=f"all_{name}", axis=1)
        forget(graph, x, f"next_{name}")
        series.append(x)
    numbers(graph, actions_pads=[0, 0, 0, 0, 1, 0])
    padded = add("Pad", "actions", "actions_pads", name="padded_actions")
    return series[0], series[1], padded


def _times(policy: "DecisionTransformer", graph: Graph) -> str:
    """Numbers of the K steps, negative before the episode's first: (B, K)."""
    one = graph.scalar("one", 1.0)
    graph.add("Add", "timestep", one, name="next_timestep")
    before = graph.constant("steps_before", torch.arange(1.0 - policy.context, 1.0))
    return graph.add("Add", "timestep", before, name="times")


def _embed(
    policy: "DecisionTransformer", graph: Graph, k: int, context: Any, times: str
) -> str:
    """Token rows (B*3K, W)."""
    add = graph.add
    layers = {
        "return": policy.embed_return,
        "observation": policy.embed_observation,
        "action": policy.embed_action,
    }
    shape = [-1, policy.context, 1, policy.width]
    numbers(graph, by_step=shape, by_token=[-1, policy.width])
    parts = []
    for (name, layer), x in zip(layers.items(), context, strict=True):
        numbers(graph, **{f"{name}_rows": [-1, layer.inputs]})
        y = add("Reshape", x, f"{name}_rows", name=f"{name}_flat")
        y = layer.emit(graph, y, k, f"embed_{name}")
        parts.append(add("Reshape", y, "by_step", name=f"{name}_tokens"))
    x = add("Concat", *parts, name="tokens", axis=2)
    zero = graph.scalar("zero", 0.0)
    top = graph.scalar("last_time", policy.embed_time.count - 1.0)
    y = add("Clip", times, zero, top, name="known_times")
    y = add("Cast", y, name="time_numbers", to=7)  # int64
    y = policy.embed_time.emit(graph, y, k, "embed_time")
    y = add("Reshape", y, "by_step", name="time_tokens")
    x = add("Add", x, y, name="tokens_in_time")
    x = add("Reshape", x, "by_token", name="token_rows")
    return policy.norm.emit(graph, x, k, "norm")


def _masks(policy: "DecisionTransformer", graph: Graph, times: str) -> tuple[str, str]:
    """Added to the scores: (B, 1, T, T), and (B, 1, 1, T) for the present step."""
    add, tokens = graph.add, 3 * policy.context
    hidden = graph.scalar("hidden", HIDDEN)
    y = add("Less", times, "zero", name="before_start")
    y = add("Where", y, hidden, "zero", name="hidden_steps")  # (B, K)
    numbers(graph, three=[-1, policy.context, 1], row=[-1, 1, 1, tokens])
    y = add("Reshape", y, "three", name="hidden_columns")
    each = graph.constant("each_token", torch.zeros(3))
    y = add("Add", y, each, name="hidden_by_token")  # (B, K, 3)
    y = add("Reshape", y, "row", name="hidden_tokens")  # (B, 1, 1, T)
    causal = graph.constant("causal", policy.causal)
    now = graph.constant("causal_now", policy.causal[tokens - 2])
    return (
        add("Add", y, causal, name="mask"),
        add("Add", y, now, name="mask_now"),
    )
