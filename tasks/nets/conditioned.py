"""A policy that is told where its episode shall end up."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.ends import emit_bounded, emit_first
from tasks.nets.feedforward import Feedforward
from tasks.nets.graph import Graph
from tasks.nets.layers import Linear, perceptron
from tasks.nets.policy import Policy, build_layer


class Conditioned(Policy):
    """(Normalised observation, descriptor in [-1, 1]) -> layers with ReLU -> tanh.

    It reads ``descriptor`` (S, B, D) beside ``observation``, in units of the world; it
    is scaled to [-1, 1] by its bounds, which belong to the policy.

    Args:
        layers: The first has O + D inputs.
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world.
        action_high: (A,), upper action bounds.
        descriptor_low: (D,), lower bounds of descriptors, units of the world.
        descriptor_high: (D,), upper bounds.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        observation_mean: Tensor,
        observation_std: Tensor,
        action_low: Tensor,
        action_high: Tensor,
        descriptor_low: Tensor,
        descriptor_high: Tensor,
    ) -> None:
        super().__init__(observation_mean, observation_std, action_low, action_high)
        self.layers: Any = nn.ModuleList(layers)  # torch types its items too widely
        self.descriptor_low: Tensor
        self.descriptor_high: Tensor
        self.register_buffer("descriptor_low", descriptor_low.float())
        self.register_buffer("descriptor_high", descriptor_high.float())

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return int(self.layers[0].stack)

    @property
    def descriptor_width(self) -> int:
        """D."""
        return len(self.descriptor_low)

    def _span(self) -> tuple[Tensor, Tensor]:
        """Middle and half width of the descriptors, (D,) each."""
        low, high = self.descriptor_low, self.descriptor_high
        return (high + low) / 2, (high - low) / 2

    def forward(self, observation: Tensor, descriptor: Tensor) -> Tensor:
        """(S, B, O) and (S, B, D), units of the world -> action (S, B, A)."""
        middle, half = self._span()
        x = [self.normalise(observation), (descriptor - middle) / half]
        plain: list[Linear] = list(self.layers)
        action = torch.tanh(perceptron(torch.cat(x, -1), plain))
        return action * self.action_scale + self.action_offset

    def inputs(self) -> dict[str, int]:
        """``observation``, and ``descriptor``: what the episode shall be like."""
        return {**super().inputs(), "descriptor": self.descriptor_width}

    def ranges(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Bounds of the descriptors, (D,) each, which no dataset holds."""
        return {"descriptor": (self.descriptor_low, self.descriptor_high)}

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes; it carries nothing."""
        del carry
        return {"action": self(inputs["observation"], inputs["descriptor"])}, {}

    def fold(self, descriptor: Tensor) -> Feedforward:
        """The policy of one descriptor (D,), units of the world, with no such input.

        W1' = W1[:O] and b1' = b1 + d W1[O:], d scaled to [-1, 1].
        """
        middle, half = self._span()
        first, *rest = self.layers
        o = self.observation_width
        scale, offset = self.action_scale, self.action_offset
        folded = Feedforward(
            [build_layer({**first.spec(), "inputs": o}, self.seeds), *rest],
            "tanh",
            self.observation_mean,
            self.observation_std,
            offset - scale,
            offset + scale,
        )
        with torch.no_grad():
            folded.layers[0].weight.copy_(first.weight[:, :o])
            along = ((descriptor - middle) / half) @ first.weight[:, o:]  # (S, H)
            folded.layers[0].bias.copy_(first.bias + along[:, None])
        return folded.requires_grad_(requires_grad=False)

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.conditioned.Conditioned",
            "stack": self.seeds,
            "observation": self.observation_width,
            "action": self.action_width,
            "descriptor": self.descriptor_width,
            "layers": [layer.spec() for layer in self.layers],
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Conditioned":
        """A policy of the shape that a spec describes, its tensors still zero."""
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        o, a, d = (spec[key] for key in ("observation", "action", "descriptor"))
        bounds = (-torch.ones(a), torch.ones(a), -torch.ones(d), torch.ones(d))
        return cls(layers, torch.zeros(o), torch.ones(o), *bounds)

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs."""
        middle, half = self._span()
        mean = torch.cat([self.observation_mean, middle])
        std = torch.cat([self.observation_std, half])
        x = graph.add("Concat", "observation", "descriptor", name="row", axis=1)
        first = self.layers[0]
        x = emit_first(graph, x, first.weight[k], first.bias[k, 0], mean, std, "layer0")
        for i, layer in enumerate(self.layers[1:]):
            x = graph.add("Relu", x, name=f"layer{i}.relu")
            x = layer.emit(graph, x, k, f"layer{i + 1}")
        x = graph.add("Tanh", x, name="squashed")
        emit_bounded(graph, x, self.action_scale, self.action_offset)
