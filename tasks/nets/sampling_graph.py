"""A sampler's plan as ONNX nodes: what ``sampling.run`` does in torch.

Shapes: B batch, A action.
"""

from collections.abc import Callable, Sequence

from tasks.nets.graph import Graph
from tasks.nets.sampling import Call, Plan

# (graph, name of x (B, A), time, a name for the call) -> name of the prediction
Emit = Callable[[Graph, str, float, str], str]


def emit(
    plan: Plan, graph: Graph, network: Emit, kind: str, noise: Sequence[str]
) -> str:
    """Unroll a plan into an ONNX graph; its calls share their weights.

    Args:
        plan: The sampler.
        graph: Has the noises and whatever the network reads.
        network: Adds one call.
        kind: What it predicts.
        noise: Names of as many (B, A) as the plan takes.

    Returns:
        Name of the sample, (B, A).
    """
    registers = {f"noise{i}": draw for i, draw in enumerate(noise)}
    for i, step in enumerate(plan.steps):
        at = f"step{i}"
        if isinstance(step, Call):
            x = registers[step.state]
            with graph.again(at):
                predicted = network(graph, x, step.time, at)
            registers[step.out] = _emit_converted(graph, step, kind, x, predicted, at)
        else:
            total = ""
            for j, (name, weight) in enumerate(step.terms):
                factor = graph.scalar(f"{at}_weight{j}", float(weight))
                part = graph.add("Mul", registers[name], factor, name=f"{at}.part{j}")
                if total:
                    part = graph.add("Add", total, part, name=f"{at}.sum{j}")
                total = part
            registers[step.out] = total
    return registers["action"]


def _emit_converted(
    graph: Graph, step: Call, kind: str, x: str, predicted: str, at: str
) -> str:
    """Add what :func:`converted` does in torch."""

    def clipped(value: str) -> str:
        low = graph.scalar(f"{at}_low", -1.0)
        high = graph.scalar(f"{at}_high", 1.0)
        return graph.add("Clip", value, low, high, name=f"{at}.clipped")

    def solved(value: str, factor: float, divisor: float, name: str) -> str:
        """(x - factor * value) / divisor."""
        by = graph.scalar(f"{at}_{name}_factor", float(factor))
        over = graph.scalar(f"{at}_{name}_divisor", float(divisor))
        part = graph.add("Mul", value, by, name=f"{at}.{name}_part")
        rest = graph.add("Sub", x, part, name=f"{at}.{name}_rest")
        return graph.add("Div", rest, over, name=f"{at}.{name}")

    if kind == step.gives and not (step.clip and kind == "noise"):
        return clipped(predicted) if step.clip else predicted
    data = predicted
    if kind == "noise":
        data = solved(predicted, step.sigma, step.alpha, "data")
    if step.clip:
        data = clipped(data)
    if step.gives == "data":
        return data
    return solved(data, step.alpha, step.sigma, "noise")
