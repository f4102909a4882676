"""The flow of ``ode.py`` in one graph: a fixed number of Tsit5's steps, unrolled.

    u_{i+1} = u_i + h sum_j a_7j k_j       h = end / steps, i = 0 .. steps - 1
    logits  = W_3 u_steps + b_3

No step looks at its error, so the embedded formula and its seventh stage are left out:
six evaluations of the field a step. Weights stand in the file once.

Shapes: S seeds, B batch, D numbers in an image, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.layered import LayeredPredictor
from tasks.nets.network import build_layer
from tasks.nets.ode import OdeClassifier
from tasks.nets.predictor import Value
from tasks.nets.tsit5 import A, C, combined

STAGES = 6  # evaluations of a step without an error


class UnrolledClassifier(LayeredPredictor):
    """Images in, a logit a class out, in one call.

    Args:
        layers: Those of the :class:`OdeClassifier`.
        end: Time at which the state is read; it begins at 0.
        steps: Of Tsit5, all of one size.
    """

    def __init__(self, layers: Sequence[nn.Module], end: float, steps: int) -> None:
        super().__init__(layers)
        self.end, self.steps = end, steps

    @property
    def width(self) -> int:
        """D."""
        return int(self.layers[1].outputs)

    def inputs(self) -> dict[str, Value]:
        """The image."""
        return {"image": Value((self.width,))}

    def outputs(self) -> dict[str, Value]:
        """The logits."""
        return {"logits": Value((self.layers[2].outputs,))}

    def told(self) -> dict[str, object]:
        """How often its file evaluates the field."""
        return {"evaluations": STAGES * self.steps}

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The logits."""
        del carry
        u, size = inputs["image"], self.end / self.steps
        field = OdeClassifier(list(self.layers), self.end, (1.0, 1.0)).field
        for i in range(self.steps):
            stages: list[Tensor] = []
            for j in range(STAGES):
                inner = u + size * combined(A[j], stages) if j else u
                t = torch.full((*u.shape[:2], 1), size * (i + C[j]))
                stages.append(field(inner, t))
            u = u + size * combined(A[STAGES], stages)
        return {"logits": self.layers[2](u)}, {}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.ode_unrolled.UnrolledClassifier",
            "stack": self.seeds,
            "layers": [layer.spec() for layer in self.layers],
            "end": self.end,
            "steps": self.steps,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """One of the right shape, its tensors still zero."""
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        return cls(layers, float(spec["end"]), int(spec["steps"]))

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has ``image``."""
        field = OdeClassifier(list(self.layers), self.end, (1.0, 1.0))
        u, size = "image", self.end / self.steps
        # a column of zeros, as many as there are rows, to which times are added
        first = graph.constant("first", torch.zeros(self.width, 1))
        zeros = graph.add("MatMul", "image", first, name="zeros")
        for i in range(self.steps):
            stages: list[str] = []
            for j in range(STAGES):
                name = f"k{i}_{j}"
                inner = self._sum(graph, u, size, A[j], stages, name) if j else u
                when = graph.scalar(f"{name}.time", size * (i + C[j]))
                t = graph.add("Add", zeros, when, name=f"{name}.t")
                with graph.again(name):
                    field.emit_field(graph, k, inner, t, "du")
                stages.append(f"{name}/du")
            u = self._sum(graph, u, size, A[STAGES], stages, f"u{i}")
        logits = self.layers[2].emit(graph, u, k, "layer2")
        graph.add("Identity", logits, name="logits")

    def _sum(
        self,
        graph: Graph,
        u: str,
        size: float,
        weights: Sequence[float],
        stages: Sequence[str],
        name: str,
    ) -> str:
        """Add u + size sum_j weights_j stages_j; returns its name."""
        total = u
        for j, (weight, stage) in enumerate(zip(weights, stages, strict=True)):
            by = graph.scalar(f"{name}.w{j}", size * weight)
            part = graph.add("Mul", stage, by, name=f"{name}.p{j}")
            total = graph.add("Add", total, part, name=f"{name}.s{j}")
        return total
