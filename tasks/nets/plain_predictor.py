"""A perceptron that reads one array of numbers and gives another.

    x = (input - mean) / std       flattened
    y = W_n relu(... relu(W_1 x + b_1) ...) + b_n

Shapes: S seeds, B batch, D numbers in an input, K in an output.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.layered import LayeredPredictor
from tasks.nets.network import build_layer
from tasks.nets.predictor import Value


class PlainPredictor(LayeredPredictor):
    """Linear layers with ReLU between them.

    Args:
        layers: The first of D inputs, the last of K outputs.
        reads: Name and shape of the input, e.g. ``image`` and (64,).
        gives: Name of the output, e.g. ``logits``.
        mean: (D,), of the input.
        std: (D,), positive.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        reads: tuple[str, Sequence[int]],
        gives: str,
        mean: Tensor,
        std: Tensor,
    ) -> None:
        super().__init__(layers)
        self.reads, self.gives = (reads[0], tuple(reads[1])), gives
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())

    def inputs(self) -> dict[str, Value]:
        """The one array."""
        return {self.reads[0]: Value(self.reads[1])}

    def outputs(self) -> dict[str, Value]:
        """The other."""
        return {self.gives: Value((self.layers[-1].outputs,))}

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, *shape) -> (S, B, K)."""
        x = (x.flatten(2) - self.mean) / self.std
        for i, layer in enumerate(self.layers):
            x = layer(torch.relu(x) if i else x)
        return x

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The output by its name."""
        del carry
        return {self.gives: self(inputs[self.reads[0]])}, {}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.plain_predictor.PlainPredictor",
            "stack": self.seeds,
            "reads": [self.reads[0], list(self.reads[1])],
            "gives": self.gives,
            "layers": [layer.spec() for layer in self.layers],
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """One of the right shape, its tensors still zero."""
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        width = int(spec["layers"][0]["inputs"])
        name, shape = spec["reads"]
        own = (name, tuple(shape)), spec["gives"]
        return cls(layers, *own, torch.zeros(width), torch.ones(width))

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the input."""
        x = self.reads[0]
        if len(self.reads[1]) != 1:
            x = graph.add("Flatten", x, name="flat", axis=1)
        mean, std = graph.constant("mean", self.mean), graph.constant("std", self.std)
        x = graph.add("Sub", x, mean, name="centred")
        x = graph.add("Div", x, std, name="normalised")
        for i, layer in enumerate(self.layers):
            x = layer.emit(graph, x, k, f"layer{i}")
            if i < len(self.layers) - 1:
                x = graph.add("Relu", x, name=f"layer{i}.relu")
        graph.add("Identity", x, name=self.gives)
