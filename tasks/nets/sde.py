"""A classifier whose hidden state is moved by a drift and by noise, as ``ode.py``'s.

    du = f(u) dt + g(u) o dW            u(0) the image
    f(u) = W_2 tanh(W_1 u + b_1) + b_2      g(u) = W_3 u + b_3, of each number its own
    logits = W_4 u(end) + b_4

The file holds f, g and the last layer; whoever reads it solves, along a path of W.

Shapes: S seeds, B batch, D numbers in an image, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from tasks.artifacts.seeding import generator
from tasks.nets.graph import Graph
from tasks.nets.heun import CELLS, path, solve
from tasks.nets.layered import LayeredPredictor
from tasks.nets.network import build_layer
from tasks.nets.predictor import Value
from tasks.nets.tsit5 import Tolerance


class SdeClassifier(LayeredPredictor):
    """Drift, diffusion and the last layer.

    Args:
        layers: W_1, W_2, W_3 and W_4.
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
        return int(self.layers[0].inputs)

    def inputs(self) -> dict[str, Value]:
        """The state of each row."""
        return {"u": Value((self.width,))}

    def outputs(self) -> dict[str, Value]:
        """Drift, diffusion, and the logits if the way ended here."""
        state, classes = Value((self.width,)), Value((self.layers[3].outputs,))
        return {"drift": state, "diffusion": state, "logits": classes}

    def reading(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Images as states."""
        return {"u": rows["image"].flatten(1)}

    def fields(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Drift and diffusion: (S, B, D) -> (S, B, D) each."""
        drift = self.layers[1](torch.tanh(self.layers[0](u)))
        return drift, self.layers[2](u)

    def answer(self, rows: Mapping[str, Tensor]) -> Tensor:
        """Logits at the end of the way along one path of W, (S, N, K)."""
        image = rows["image"].flatten(1).expand(self.seeds, -1, -1)
        shape = image.shape
        draw = generator(0, "path of W")
        normal = torch.randn((1, CELLS, image[0].numel()), generator=draw)

        def fields(u: Tensor) -> tuple[Tensor, Tensor]:
            f, g = self.fields(u.view(shape))
            return f.flatten(1), g.flatten(1)

        w = path(normal, self.end).expand(self.seeds, -1, -1)
        way = solve(fields, image.flatten(1), w, self.end, Tolerance(*self.tolerance))
        logits: Tensor = self.layers[3](way.state.view(shape))
        return logits

    def told(self) -> dict[str, object]:
        """That its file is the fields of an SDE, until when, how exactly."""
        atol, rtol = self.tolerance
        names = {"reads": "image", "state": "u", "derivative": "drift"}
        exactly = {"noise": "diffusion", "end": self.end, "atol": atol, "rtol": rtol}
        return {"solve": {"kind": "sde", **names, **exactly}}

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Drift, diffusion and logits."""
        del carry
        u = inputs["u"]
        drift, diffusion = self.fields(u)
        return {
            "drift": drift,
            "diffusion": diffusion,
            "logits": self.layers[3](u),
        }, {}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.sde.SdeClassifier",
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
        """Add seed slice ``k`` to a graph that has ``u``."""
        x = self.layers[0].emit(graph, "u", k, "layer0")
        x = graph.add("Tanh", x, name="hidden")
        reads = {"drift": x, "diffusion": "u", "logits": "u"}
        for i, (name, source) in enumerate(reads.items(), start=1):
            out = self.layers[i].emit(graph, source, k, f"layer{i}")
            graph.add("Identity", out, name=name)
