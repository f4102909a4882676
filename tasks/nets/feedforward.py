"""The usual policy: one forward pass through a stack of layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.ends import (
    emit_bounded,
    emit_choice,
    emit_clipped,
    emit_first,
    emit_normalised,
    permitted,
)
from tasks.nets.graph import Graph
from tasks.nets.layers import Linear, perceptron
from tasks.nets.policy import Policy, build_layer

# log of the standard deviation of a "gaussian" head, before tanh: SAC's limits
LOG_STD_RANGE = (-5.0, 2.0)
HEADS = ("tanh", "clip", "gaussian", "categorical")
# what lies between layers: its function and its ONNX operator
ACTIVATIONS = {"relu": (torch.relu, "Relu"), "tanh": (torch.tanh, "Tanh")}


class Feedforward(Policy):
    """Normaliser -> layers with ReLU, or tanh, between -> head.

    | head | last layer | action |
    |---|---|---|
    | ``tanh`` | A | tanh(z) |
    | ``clip`` | A | z clipped to [-1, 1] |
    | ``gaussian`` | 2A: mean, log std | tanh(mean + exp(log std) * noise) |
    | ``categorical`` | A: logits | the number of the largest allowed logit |

    log std is clipped to ``log_std_range``; noise is an explicit input, standard normal
    to sample, zeros for the deterministic action. Finally the action of the first three
    is scaled from [-1, 1] to the world's bounds: ``action * scale + offset``.

    Policies that were trained elsewhere may also clip the normalised observation
    (as Stable-Baselines3's VecNormalize) and what a tanh head squashes (as its gSDE).

    A categorical head also gives its ``logits``, -1e9 where the input ``legal`` forbids
    the action; it has that input if ``masked``. Of equal logits the first counts.

    Args:
        layers: Modules with ``forward``, ``emit``, ``spec`` as ``layers.Linear`` has.
        head: ``tanh``, ``clip``, ``gaussian`` or ``categorical``.
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world; categorical: zeros.
        action_high: (A,), upper action bounds; categorical: ones.
        log_std_range: Lowest and highest log std of a gaussian head; others ignore it.
        masked: The world forbids actions at times; of a categorical head alone.
        activation: Between layers, ``relu`` or ``tanh``.
        observation_limit: Normalised observations are clipped to this size, above 0;
            None: they are not.
        limit: Of a tanh head alone: z is clipped to this size, above 0; None: not.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        head: str,
        observation_mean: Tensor,
        observation_std: Tensor,
        action_low: Tensor,
        action_high: Tensor,
        log_std_range: tuple[float, float] = LOG_STD_RANGE,
        masked: bool = False,
        activation: str = "relu",
        observation_limit: float | None = None,
        limit: float | None = None,
    ) -> None:
        super().__init__(observation_mean, observation_std, action_low, action_high)
        if head not in HEADS:
            raise ValueError(f"unknown head {head!r}")
        if masked and head != "categorical":
            raise ValueError(f"a {head} head with a mask")
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}")
        if limit is not None and head != "tanh":
            raise ValueError(f"a {head} head with a limit")
        self.layers: Any = nn.ModuleList(layers)  # torch types its items too widely
        self.head, self.log_std_range = head, log_std_range
        self.masked = masked
        self.activation, self.limit = activation, limit
        self.observation_limit = observation_limit

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return int(self.layers[0].stack)

    def normalise(self, observation: Tensor) -> Tensor:
        """(S, B, O) in units of the world -> normalised, and clipped by its limit."""
        x = super().normalise(observation)
        if self.observation_limit is None:
            return x
        return x.clamp(-self.observation_limit, self.observation_limit)

    def activate(self, x: Tensor) -> Tensor:
        """What lies between two layers, element by element."""
        return ACTIVATIONS[self.activation][0](x)

    def preactivation(self, x: Tensor) -> Tensor:
        """Normalised observations (S, B, O) -> output of the last layer."""
        plain = self.activation == "relu"
        plain = plain and all(type(layer) is Linear for layer in self.layers)
        if plain and torch.is_grad_enabled():  # else layers may be watched
            return perceptron(x, list(self.layers))
        for layer in self.layers[:-1]:
            x = self.activate(layer(x))
        return self.layers[-1](x).float()  # already, but for autocast's products

    def squashed(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Normalised observations (S, B, O) -> action in [-1, 1] (S, B, A)."""
        x = self.preactivation(x)
        if self.head == "clip":
            return x.clamp(-1, 1)
        if self.head == "gaussian":
            x, log_std = x.chunk(2, dim=-1)
            if noise is not None:
                x = x + log_std.clamp(*self.log_std_range).exp() * noise
        if self.limit is not None:
            x = x.clamp(-self.limit, self.limit)
        return torch.tanh(x)

    def logits(self, x: Tensor, legal: Tensor | None = None) -> Tensor:
        """A categorical head's logits, (S, B, A).

        Args:
            x: Normalised observations, (S, B, O).
            legal: (S, B, A), above 0.5 where an action is allowed; None allows all.

        Raises:
            RefusedError: If a mask forbids every action.
        """
        logits = self.preactivation(x)
        return logits if legal is None else permitted(logits, legal)

    def forward(
        self,
        observation: Tensor,
        noise: Tensor | None = None,
        legal: Tensor | None = None,
    ) -> Tensor:
        """Act.

        Args:
            observation: (S, B, O), float32, units of the world.
            noise: (S, B, A), standard normal; only a gaussian head uses it.
            legal: (S, B, A); only a categorical head uses it.

        Returns:
            Action (S, B, A) inside the world's bounds, or its number (S, B), int64.
        """
        if self.head == "categorical":
            return self.logits(self.normalise(observation), legal).argmax(-1)
        action = self.squashed(self.normalise(observation), noise)
        return action * self.action_scale + self.action_offset

    def inputs(self) -> dict[str, int]:
        """``observation``, ``noise`` of a gaussian head, ``legal`` of a masked one."""
        widths = super().inputs()
        if self.head == "gaussian":
            widths["noise"] = self.action_width
        if self.masked:
            widths["legal"] = self.action_width
        return widths

    def outputs(self) -> dict[str, int | None]:
        """``action``, and of a categorical head its ``logits``."""
        if self.head == "categorical":
            return {"action": None, "logits": self.action_width}
        return super().outputs()

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes; it carries nothing."""
        del carry
        if self.head == "categorical":
            x = self.normalise(inputs["observation"])
            logits = self.logits(x, inputs["legal"] if self.masked else None)
            return {"action": logits.argmax(-1), "logits": logits}, {}
        return {"action": self(inputs["observation"], inputs.get("noise"))}, {}

    def linears(self) -> dict[str, nn.Module]:
        """Its layers, in the order they run, by the names of ``get_submodule``."""
        return {f"layers.{i}": layer for i, layer in enumerate(self.layers)}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        limits = {"log_std_range": list(self.log_std_range)}
        spec = {
            "class": "tasks.nets.feedforward.Feedforward",
            "head": self.head,
            "stack": self.seeds,
            "observation": self.observation_width,
            "action": self.action_width,
            "layers": [layer.spec() for layer in self.layers],
            **(limits if self.head == "gaussian" else {}),
        }
        own = {
            "masked": self.masked or None,
            "activation": None if self.activation == "relu" else self.activation,
            "observation_limit": self.observation_limit,
            "limit": self.limit,
        }  # the usual goes unsaid
        return spec | {name: value for name, value in own.items() if value is not None}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Feedforward":
        """A policy of the right shape, its tensors still zero.

        Args:
            spec: What :meth:`spec` gave.

        Raises:
            RefusedError: If a layer names a class outside ``tasks.nets``.
        """
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        zeros, ones = torch.zeros(spec["observation"]), torch.ones(spec["observation"])
        bounds = torch.ones(spec["action"])
        low, high = spec.get("log_std_range", LOG_STD_RANGE)
        statistics = zeros, ones, -bounds, bounds
        names = ("masked", "activation", "observation_limit", "limit")
        own = {name: spec[name] for name in names if name in spec}
        return cls(layers, spec["head"], *statistics, (low, high), **own)

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs."""
        first, statistics = (
            self.layers[0],
            (self.observation_mean, self.observation_std),
        )
        if type(first) is Linear and self.observation_limit is None:
            own = first.weight[k], first.bias[k, 0]
            x = emit_first(graph, "observation", *own, *statistics, "layer0")
        else:
            x = emit_normalised(graph, "observation", *statistics)
            if self.observation_limit is not None:
                limit = self.observation_limit
                x = emit_clipped(graph, x, limit, "observation_clipped")
            x = first.emit(graph, x, k, "layer0")
        for i, layer in enumerate(self.layers[1:]):
            operator = ACTIVATIONS[self.activation][1]
            x = graph.add(operator, x, name=f"layer{i}.{self.activation}")
            x = layer.emit(graph, x, k, f"layer{i + 1}")
        if self.head == "categorical":
            emit_choice(graph, x, self.masked)
            return
        if self.head == "gaussian":
            x = self._emit_sample(graph, x)
        if self.head == "clip":
            low = graph.constant("action_min", torch.tensor(-1.0))
            high = graph.constant("action_max", torch.tensor(1.0))
            x = graph.add("Clip", x, low, high, name="squashed")
        else:
            if self.limit is not None:
                x = emit_clipped(graph, x, self.limit, "limited")
            x = graph.add("Tanh", x, name="squashed")
        emit_bounded(graph, x, self.action_scale, self.action_offset)

    def _emit_sample(self, graph: Graph, x: str) -> str:
        """The gaussian head: mean + exp(clip(log std)) * noise."""
        graph.split(x, "mean", "log_std")
        limits = zip(("min", "max"), self.log_std_range, strict=True)
        low, high = (
            graph.constant(f"log_std_{end}", torch.tensor(value))
            for end, value in limits
        )
        log_std = graph.add("Clip", "log_std", low, high, name="log_std_clipped")
        std = graph.add("Exp", log_std, name="std")
        deviation = graph.add("Mul", std, "noise", name="deviation")
        return graph.add("Add", "mean", deviation, name="sample")
