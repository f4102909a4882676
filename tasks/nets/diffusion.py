"""A policy that turns noise into an action by calling one network along a plan.

What is called, how often and how the answers are summed is a :class:`sampling.Plan`, so
the same weights act by another sampler after :meth:`DiffusionPolicy.with_plan`.

Shapes: S seeds, B batch, O observation, A action, H hidden, W time embedding, n noises
of the plan.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.nets.diffusion_graph import emit_policy
from tasks.nets.graph import Graph
from tasks.nets.layers import Linear, in_double
from tasks.nets.policy import Policy, build_layer
from tasks.nets.sampling import KINDS, Call, Plan, Sum, run

LONGEST = 10_000.0  # ratio of the slowest to the fastest frequency of a time

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mish": functional.mish,
    "silu": functional.silu,
    "relu": torch.relu,
}


def one_step() -> Plan:
    """One call of an average velocity, from time 1 to 0: action = noise - u(noise)."""
    call = Call("velocity", "noise0", 1.0, 0.0, 1.0, "velocity")
    jump = Sum("action", (("noise0", 1.0), ("velocity", -1.0)))
    return Plan("one_step", (call, jump), 1)


class TimeEmbedding(nn.Module):
    """A time as W numbers: sines and cosines -> Linear 2W -> activation -> Linear W.

    Frequencies fall from 1 to 1/10000 (Vaswani et al. 2017, arXiv 1706.03762). Widths
    as in the code of DQL.

    Args:
        stack: Leading axis S.
        width: W, even, at least 4.
        activation: One of ``ACTIVATIONS``.
    """

    def __init__(self, stack: int, width: int, activation: str) -> None:
        super().__init__()
        self.width, self.activation = width, activation
        widths = pairwise((width, 2 * width, width))
        self.layers: Any = nn.ModuleList(Linear(stack, i, o) for i, o in widths)
        half = width // 2
        step = -math.log(LONGEST) / (half - 1)
        self.frequencies: Tensor
        frequencies = (step * torch.arange(half)).exp()
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, time: Tensor) -> Tensor:
        """(S, B), scaled -> (S, B, W); S or B may be 1 and stand for all."""
        angles = time[..., None] * self.frequencies
        x = torch.cat([angles.sin(), angles.cos()], -1)
        x = x.expand(self.layers[0].stack, -1, -1)
        return self.layers[1](ACTIVATIONS[self.activation](self.layers[0](x)))


class DiffusionPolicy(Policy):
    """[x, time embeddings, normalised observation] -> hidden layers -> A, along a plan.

    The network is told the time of x and, if it has two embeddings, also the time it
    looks ahead to, which is 0 (the data) whenever it acts. The sample is clipped to
    [-1, 1] and scaled to the world's bounds.

    Its input ``noise`` is (S, B, n * A), the plan's noises side by side: ``noise0``
    first. It is played with standard normal noise; zeros are the action without chance.

    Args:
        layers: Modules as ``layers.Linear``: (A + times * W + O) -> H... -> A.
        embeddings: One or two.
        plan: The sampler; what its calls give must suit ``kind``.
        kind: What the network predicts, one of ``sampling.KINDS``.
        abar: The schedule it was trained on, decreasing; empty without one.
        time_scale: By which times are multiplied before they are embedded.
        activation: Between the layers, one of ``ACTIVATIONS``.
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world.
        action_high: (A,), upper action bounds.
        double: Its step computes in float64, in torch and in the file, as layers that
            round need it; what the embeddings say is float32 all the same.

    Raises:
        ValueError: If kind, activation or number of embeddings is unknown, or the plan
            asks for what the network's answer cannot be turned into.
    """

    acting: ClassVar[str] = "normal"

    def __init__(
        self,
        layers: Sequence[nn.Module],
        embeddings: Sequence[TimeEmbedding],
        plan: Plan,
        kind: str,
        abar: Sequence[float],
        time_scale: float,
        activation: str,
        observation_mean: Tensor,
        observation_std: Tensor,
        action_low: Tensor,
        action_high: Tensor,
        double: bool = False,
    ) -> None:
        super().__init__(observation_mean, observation_std, action_low, action_high)
        if kind not in KINDS or activation not in ACTIVATIONS:
            raise ValueError(f"unknown kind {kind!r} or activation {activation!r}")
        if len(embeddings) not in (1, 2):
            raise ValueError(f"{len(embeddings)} time embeddings")
        for step in plan.steps:
            flows = isinstance(step, Call) and step.gives == "velocity"
            if isinstance(step, Call) and flows != (kind == "velocity"):
                raise ValueError(f"{plan.name} wants {step.gives} of a {kind} network")
        self.layers: Any = nn.ModuleList(layers)
        self.embeddings: Any = nn.ModuleList(embeddings)
        self.plan, self.kind = plan, kind
        self.abar, self.time_scale = tuple(abar), time_scale
        self.activation, self.is_double = activation, double

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return int(self.layers[0].stack)

    @property
    def calls(self) -> int:
        """How often each layer runs at a step: the plan's network calls."""
        return self.plan.calls

    def with_plan(self, plan: Plan) -> "DiffusionPolicy":
        """The same network, its tensors shared, acting by another plan."""
        bounds = torch.ones(self.action_width)
        other = DiffusionPolicy(
            list(self.layers),
            list(self.embeddings),
            plan,
            self.kind,
            self.abar,
            self.time_scale,
            self.activation,
            self.observation_mean,
            self.observation_std,
            -bounds,
            bounds,
            self.is_double,
        )
        # copied, as going by low and high would not give the same bits again
        other.action_scale.copy_(self.action_scale)
        other.action_offset.copy_(self.action_offset)
        return other

    def network(self, observation: Tensor, x: Tensor, *times: Tensor) -> Tensor:
        """What the network predicts.

        Args:
            observation: (S, B, O), normalised.
            x: (S, B, A), between data and noise.
            times: As many as it has embeddings, (S, B) or (1, 1) each: of x, and which
                it looks ahead to.

        Returns:
            (S, B, A).
        """
        embedded = [
            embedding(time * self.time_scale).expand(*x.shape[:2], -1).float().to(x)
            for embedding, time in zip(self.embeddings, times, strict=True)
        ]
        y = torch.cat([x, *embedded, observation], -1)
        activate = ACTIVATIONS[self.activation]
        for layer in self.layers[:-1]:
            y = activate(layer(y))
        return self.layers[-1](y).to(x.dtype)  # already, but for autocast's products

    def times(self, time: float) -> list[Tensor]:
        """The network's time inputs at a call of a plan, (1, 1) each."""
        scalars = (time, 0.0)[: len(self.embeddings)]
        return [torch.full((1, 1), float(t)).to(self.observation_mean) for t in scalars]

    def sample(self, observation: Tensor, noise: Tensor) -> Tensor:
        """Follow the plan, differentiable through every call.

        Args:
            observation: (S, B, O), normalised.
            noise: (S, B, n, A).

        Returns:
            (S, B, A), in [-1, 1].
        """

        def call(x: Tensor, time: float) -> Tensor:
            return self.network(observation, x, *self.times(time))

        return run(self.plan, call, self.kind, noise.unbind(2)).clamp(-1, 1)

    def forward(self, observation: Tensor, noise: Tensor | None = None) -> Tensor:
        """Act.

        Args:
            observation: (S, B, O), units of the world.
            noise: (S, B, n * A), standard normal; zeros if None.

        Returns:
            (S, B, A), inside the world's bounds.
        """
        shape = (*observation.shape[:2], self.plan.noises, self.action_width)
        drawn = observation.new_zeros(shape) if noise is None else noise.view(shape)
        action = self.sample(self.normalise(observation), drawn)
        return action * self.action_scale + self.action_offset

    def inputs(self) -> dict[str, int]:
        """``observation``, and ``noise``: the plan's noises side by side."""
        return {**super().inputs(), "noise": self.plan.noises * self.action_width}

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes; it carries nothing."""
        if self.is_double:
            return in_double(self, self._step, inputs, carry)
        return self._step(inputs, carry)

    def _step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        del carry
        return {"action": self(inputs["observation"], inputs.get("noise"))}, {}

    def linears(self) -> dict[str, nn.Module]:
        """Its layers without the embeddings, in the order they run.

        Files have no embeddings, but their values at the plan's times, as constants.
        """
        return {f"layers.{i}": layer for i, layer in enumerate(self.layers)}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.diffusion.DiffusionPolicy",
            "stack": self.seeds,
            "observation": self.observation_width,
            "action": self.action_width,
            "layers": [layer.spec() for layer in self.layers],
            "times": [embedding.width for embedding in self.embeddings],
            "plan": self.plan.spec(),
            "kind": self.kind,
            "abar": list(self.abar),
            "time_scale": self.time_scale,
            "activation": self.activation,
            **({"double": True} if self.is_double else {}),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "DiffusionPolicy":
        """A policy of the shape that a spec describes, its tensors still zero."""
        stack, bounds = spec["stack"], torch.ones(spec["action"])
        activation = spec["activation"]
        return cls(
            [build_layer(entry, stack) for entry in spec["layers"]],
            [TimeEmbedding(stack, width, activation) for width in spec["times"]],
            Plan.from_spec(spec["plan"]),
            spec["kind"],
            spec["abar"],
            spec["time_scale"],
            activation,
            torch.zeros(spec["observation"]),
            torch.ones(spec["observation"]),
            -bounds,
            bounds,
            spec.get("double", False),
        )

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs."""
        emit_policy(self, graph, k)
