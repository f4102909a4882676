"""The policy of Stream-x: LayerNorm without learned numbers, LeakyReLU, and a clock.

Source: Elsayed, Vasan, Mahmood 2024 (arXiv 2410.14606). Each seed has statistics of its
own of what it saw, which are frozen here; the normaliser that seeds share does nothing.

A clock is one more input, the time in the episode from -0.5, 1 / limit a step; the
first step after a reset shows the same time as the reset. The policy carries it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.nets.ends import emit_bounded, emit_choice, emit_normalised, permitted
from tasks.nets.graph import Graph
from tasks.nets.layers import EPSILON, standardise
from tasks.nets.policy import Carried, Logged, Policy, build_layer

SLOPE = 0.01  # of LeakyReLU below 0, which is ONNX's own
BEGIN = -0.5  # the clock at the first step


def between(x: Tensor, normed: bool) -> Tensor:
    """What lies between two layers: (S, B, H) -> (S, B, H)."""
    x = standardise(x) if normed else x
    return functional.leaky_relu(x, SLOPE)


class Seen(nn.Module):
    """What normalises the observations of each seed.

    Args:
        stack: S.
        width: O.

    Attributes:
        mean: (S, 1, O), units of the world.
        std: (S, 1, O), same units, positive.
    """

    def __init__(self, stack: int, width: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(stack, 1, width))
        self.register_buffer("std", torch.ones(stack, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, O), units of the world -> the same, normalised."""
        return (x - self.mean) / self.std


class Streaming(Policy):
    """Observation, normalised, and the clock if it has one -> layers -> action.

    Args:
        layers: Stacked linear layers.
        head: ``categorical``, the number of the largest allowed value; or ``clip``, the
            value itself in [-1, 1], scaled to the world's bounds.
        action_low: (A,); of a categorical head zeros.
        action_high: (A,); ones.
        normed: Whether a LayerNorm follows each hidden layer.
        limit: Steps of an episode for a clock; 0 for none.
        masked: The world forbids actions at times.

    Attributes:
        seen: Statistics of each seed's observations; until they are set it does
            nothing.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        head: str,
        action_low: Tensor,
        action_high: Tensor,
        normed: bool = True,
        limit: int = 0,
        masked: bool = False,
    ) -> None:
        first: Any = layers[0]
        width = first.inputs - bool(limit)
        super().__init__(torch.zeros(width), torch.ones(width), action_low, action_high)
        if head not in ("categorical", "clip"):
            raise ValueError(f"unknown head {head!r}")
        self.seen = Seen(first.stack, width)
        self.layers: Any = nn.ModuleList(layers)
        self.head, self.normed, self.limit, self.masked = head, normed, limit, masked

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return int(self.layers[0].stack)

    def values(self, x: Tensor) -> Tensor:
        """Inputs of the first layer (S, B, I) -> what the last one gives (S, B, A)."""
        for layer in self.layers[:-1]:
            x = between(layer(x), self.normed)
        values: Tensor = self.layers[-1](x)
        return values

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes, and let the clock go on."""
        x, after = self.seen(inputs["observation"]), {}
        if self.limit:
            x = torch.cat([x, carry["clock"].clamp(min=BEGIN)], -1)
            after = {"clock": carry["clock"] + 1 / self.limit}
        values = self.values(x)
        if self.head == "clip":
            action = values.clamp(-1, 1) * self.action_scale + self.action_offset
            return {"action": action}, after
        if self.masked:
            values = permitted(values, inputs["legal"])
        return {"action": values.argmax(-1), "logits": values}, after

    def inputs(self) -> dict[str, int]:
        """``observation``, and ``legal`` of a masked one."""
        widths = super().inputs()
        return widths | ({"legal": self.action_width} if self.masked else {})

    def outputs(self) -> dict[str, int | None]:
        """``action``, and of a categorical head its ``logits``, the values."""
        if self.head == "categorical":
            return {"action": None, "logits": self.action_width}
        return super().outputs()

    def carry(self) -> dict[str, Carried]:
        """The clock, if it has one; it shows the first time twice."""
        if not self.limit:
            return {}
        return {"clock": Carried((1,), BEGIN - 1 / self.limit)}

    def recall(self, logged: Logged) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The last observation, and the clock at its time."""
        inputs = {"observation": logged.observation[:, -1]}
        if not self.limit:
            return inputs, {}
        clock = BEGIN + (logged.time - 1) / self.limit
        return inputs, {"clock": clock[:, None].float()}

    def linears(self) -> dict[str, nn.Module]:
        """Its layers, in the order they run, by the names of ``get_submodule``."""
        return {f"layers.{i}": layer for i, layer in enumerate(self.layers)}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.streaming.Streaming",
            "stack": self.seeds,
            "layers": [layer.spec() for layer in self.layers],
            "head": self.head,
            "action": self.action_width,
            "normed": self.normed,
            "limit": self.limit,
            "masked": self.masked,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Streaming":
        """A policy of the right shape, its tensors still zero."""
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        bounds = torch.ones(spec["action"])
        own = {name: spec[name] for name in ("normed", "limit", "masked")}
        return cls(layers, spec["head"], -bounds, bounds, **own)

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs and carry."""
        statistics = self.seen.mean[k, 0], self.seen.std[k, 0]
        x = emit_normalised(graph, "observation", *statistics)
        if self.limit:
            begin = graph.scalar("begin", BEGIN)
            time = graph.add("Max", "clock", begin, name="time")
            pace = graph.scalar("pace", 1 / self.limit)
            graph.add("Add", "clock", pace, name="next_clock")
            x = graph.add("Concat", x, time, name="timed", axis=-1)
        for i, layer in enumerate(self.layers):
            x = layer.emit(graph, x, k, f"layer{i}")
            if i + 1 < len(self.layers):
                x = self.emit_between(graph, x, layer.outputs, i)
        if self.head == "clip":
            low = graph.constant("action_min", torch.tensor(-1.0))
            high = graph.constant("action_max", torch.tensor(1.0))
            x = graph.add("Clip", x, low, high, name="clipped")
            emit_bounded(graph, x, self.action_scale, self.action_offset)
            return
        emit_choice(graph, x, self.masked)

    def emit_between(self, graph: Graph, x: str, width: int, i: int) -> str:
        """LayerNorm with ones and zeros, and LeakyReLU."""
        if self.normed:
            ones = graph.constant(f"layer{i}.ones", torch.ones(width))
            zeros = graph.constant(f"layer{i}.zeros", torch.zeros(width))
            x = graph.add(
                "LayerNormalization",
                *(x, ones, zeros),
                name=f"layer{i}.norm",
                axis=-1,
                epsilon=EPSILON,
            )
        return graph.add("LeakyRelu", x, name=f"layer{i}.leaky", alpha=SLOPE)
