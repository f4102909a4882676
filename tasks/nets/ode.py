"""A classifier whose hidden state flows: u' = f(u, t) from an image to its logits.

    f(u, t) = W_2 [tanh(W_1 [u, t] + b_1), t] + b_2
    logits  = W_3 u(end) + b_3          u(0) the image

An adaptive solver cannot be put into an ONNX graph, so the file holds f and the last
layer, and whoever reads it solves (``told``). Inside the file numbers are float64, as
tolerances below 1e-6 are out of reach of float32.

Shapes: S seeds, B batch, D numbers in an image, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.layered import LayeredPredictor
from tasks.nets.network import build_layer
from tasks.nets.predictor import Value
from tasks.nets.tsit5 import Floats, Tolerance, solve

BATCH = 32  # rows that are one system to the solver


class OdeClassifier(LayeredPredictor):
    """The field and the last layer.

    Args:
        layers: W_1 of D + 1 inputs, W_2 with D outputs, and W_3.
        end: Time at which the state is read; it begins at 0.
        tolerance: ``atol`` and ``rtol`` its file is to be solved with.
    """

    def __init__(
        self, layers: Sequence[nn.Module], end: float, tolerance: tuple[float, float]
    ) -> None:
        super().__init__(layers)
        self.end, self.tolerance = end, tolerance

    @property
    def width(self) -> int:
        """D."""
        return int(self.layers[1].outputs)

    def inputs(self) -> dict[str, Value]:
        """The state and the time of each row."""
        return {"u": Value((self.width,), "float64"), "t": Value((1,), "float64")}

    def outputs(self) -> dict[str, Value]:
        """The derivative, and the logits if the flow ended here."""
        classes = (self.layers[2].outputs,)
        return {
            "du": Value((self.width,), "float64"),
            "logits": Value(classes, "float64"),
        }

    def reading(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Images as states, at times spread evenly over the flow."""
        u = rows["image"].flatten(1).double()
        t = torch.linspace(0, self.end, len(u), dtype=torch.float64)
        return {"u": u, "t": t[:, None]}

    def answer(self, rows: Mapping[str, Tensor]) -> Tensor:
        """Logits at the end of the flow, (S, N, K), by the solver its file asks for."""
        image = rows["image"].flatten(1).double().expand(self.seeds, -1, -1)
        atol, rtol = self.tolerance
        self.double()
        try:
            parts = [
                self._solved(part, Tolerance(atol, rtol))
                for part in torch.split(image, BATCH, dim=1)
            ]
        finally:
            self.float()
        return torch.cat(parts, 1).float()

    def _solved(self, image: Tensor, tolerance: Tolerance) -> Tensor:
        """Logits of rows that are one system to the solver."""
        shape = image.shape

        def field(u: Tensor, t: Floats) -> Tensor:
            when = torch.from_numpy(t)[:, None, None].expand(*shape[:2], 1)
            return self.field(u.view(shape), when).flatten(1)

        end = solve(field, image.flatten(1), (0.0, self.end), tolerance).state
        logits: Tensor = self.layers[2](end.view(shape))
        return logits

    def told(self) -> dict[str, object]:
        """That its file is the field of an ODE, from where to where, how exactly."""
        atol, rtol = self.tolerance
        names = {"reads": "image", "state": "u", "time": "t", "derivative": "du"}
        exactly = {"end": self.end, "atol": atol, "rtol": rtol}
        return {"solve": {"kind": "ode", **names, **exactly}}

    def field(self, u: Tensor, t: Tensor) -> Tensor:
        """f: (S, B, D), (S, B, 1) -> (S, B, D)."""
        hidden = torch.tanh(self.layers[0](torch.cat([u, t], -1)))
        derivative: Tensor = self.layers[1](torch.cat([hidden, t], -1))
        return derivative

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Derivative and logits, in float64 as the file."""
        del carry
        self.double()
        try:
            u, t = inputs["u"].double(), inputs["t"].double()
            return {"du": self.field(u, t), "logits": self.layers[2](u)}, {}
        finally:
            self.float()

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.ode.OdeClassifier",
            "stack": self.seeds,
            "layers": [layer.spec() for layer in self.layers],
            "end": self.end,
            "tolerance": list(self.tolerance),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """One of the right shape, its tensors still zero."""
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        atol, rtol = spec["tolerance"]
        return cls(layers, float(spec["end"]), (float(atol), float(rtol)))

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has ``u`` and ``t``."""
        with graph.in_double((), ()):
            self.emit_field(graph, k, "u", "t", "du")
            logits = self.layers[2].emit(graph, "u", k, "layer2")
            graph.add("Identity", logits, name="logits")

    def emit_field(self, graph: Graph, k: int, u: str, t: str, name: str) -> None:
        """Add f of two values; the derivative gets the name."""
        x = graph.add("Concat", u, t, name=f"{name}.first", axis=1)
        x = self.layers[0].emit(graph, x, k, "layer0")
        x = graph.add("Tanh", x, name=f"{name}.hidden")
        x = graph.add("Concat", x, t, name=f"{name}.second", axis=1)
        x = self.layers[1].emit(graph, x, k, "layer1")
        graph.add("Identity", x, name=name)
