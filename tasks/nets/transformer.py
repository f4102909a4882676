"""The Decision Transformer as a policy that carries its context.

Paper: Chen et al. 2021 (arXiv 2106.01345). Reference implementation: CORL ``dt.py``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.attention import HIDDEN, Block, Drop, Embedding, keep_all, normal
from tasks.nets.graph import Graph
from tasks.nets.layers import LayerNorm, Linear, in_double
from tasks.nets.policy import Carried, Logged, Policy, build_layer
from tasks.nets.transformer_graph import emit


class DecisionTransformer(Policy):
    """Return-to-go, observation and action of K steps -> the action now.

    Each of the 3K tokens is embedded linearly, gets its step's embedding added and goes
    through LayerNorm, pre-norm blocks and LayerNorm; the action is tanh of a linear
    layer on the observation's token. A token sees itself and those before it.

    What it carries, per episode:

    | name | shape | reset | |
    |---|---|---|---|
    | ``return_to_go`` | (1,) | target | still to be gathered, scaled |
    | ``timestep`` | (1,) | 0 | steps done |
    | ``observations`` | (K-1, O) | 0 | of the steps before, normalised, newest last |
    | ``actions`` | (K-1, A) | 0 | its own, in [-1, 1] |
    | ``returns`` | (K-1, 1) | 0 | returns-to-go, scaled |

    A step first subtracts the reward of the step before from ``return_to_go``. Places
    of steps before the episode's first are hidden from all others.

    Args:
        stack: Leading axis S.
        context: K, at least 2.
        width: W.
        heads: Divides W.
        blocks: At least 1.
        timesteps: M, steps that have an embedding of their own; later ones share the
            last.
        return_scale: Returns are multiplied by it.
        target: The return it is asked for, units of the world.
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world.
        action_high: (A,), upper action bounds.
        double: Its step computes in float64, in torch and in the file, and with GELU's
            tanh form: for layers that round their inputs, where float32's last bit,
            which torch and onnxruntime do not share, would decide on an action.
    """

    def __init__(
        self,
        stack: int,
        context: int,
        width: int,
        heads: int,
        blocks: int,
        timesteps: int,
        return_scale: float,
        target: float,
        observation_mean: Tensor,
        observation_std: Tensor,
        action_low: Tensor,
        action_high: Tensor,
        double: bool = False,
    ) -> None:
        super().__init__(observation_mean, observation_std, action_low, action_high)
        if context < 2 or blocks < 1 or width % heads:
            raise ValueError(f"context {context}, blocks {blocks}, {width} / {heads}")
        self.stack, self.context, self.width, self.heads = stack, context, width, heads
        self.return_scale, self.is_double = return_scale, double
        self.target: Tensor  # in the state, as only the data may tell it
        self.register_buffer("target", torch.tensor(float(target)))
        self.embed_return: Any = Linear(stack, 1, width)
        self.embed_observation: Any = Linear(stack, self.observation_width, width)
        self.embed_action: Any = Linear(stack, self.action_width, width)
        self.embed_time = Embedding(stack, timesteps, width)
        self.norm = LayerNorm(stack, width)
        gelu = "tanh" if double else "none"
        self.blocks: Any = nn.ModuleList(
            Block(stack, width, heads, last=i == blocks - 1, gelu=gelu)
            for i in range(blocks)
        )
        self.norm_out = LayerNorm(stack, width)
        self.head: Any = Linear(stack, width, self.action_width)
        sees = torch.ones(3 * context, 3 * context).tril()
        self.causal: Tensor
        self.register_buffer("causal", (1 - sees) * HIDDEN, persistent=False)

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw all weights, one generator a slice."""
        for layer in (
            *(self.embed_return, self.embed_observation, self.embed_action),
            *(self.embed_time, self.head),
        ):
            normal(layer, generators)
        for block in self.blocks:
            block.initialise(generators)

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return self.stack

    @property
    def memory(self) -> int:
        """K - 1."""
        return self.context - 1

    def predict(
        self,
        returns: Tensor,
        observation: Tensor,
        action: Tensor,
        timestep: Tensor,
        drop: Drop = keep_all,
    ) -> Tensor:
        """Actions of all K steps, for training; padding is on the right.

        Padded steps need no mask of their own: no step before them sees them.

        Args:
            returns: Returns-to-go (S, B, K, 1), scaled.
            observation: (S, B, K, O), normalised.
            action: (S, B, K, A), in [-1, 1].
            timestep: (S, B, K) int64.
            drop: Dropout.

        Returns:
            (S, B, K, A), in [-1, 1]; that of step t depends on ``action`` before t.
        """
        x = drop(self._embed(returns, observation, action, timestep))
        now = slice(1, None, 3)
        for block in self.blocks:
            mask = self.causal[now] if block.last else self.causal
            x = block(x, 3 * self.context, mask, now, drop)
        return self._act(x).view(*timestep.shape, -1)

    def _embed(self, returns: Tensor, o: Tensor, a: Tensor, timestep: Tensor) -> Tensor:
        """-> token rows (S, B * 3K, W), normalised."""
        pairs = (
            (self.embed_return, returns),
            (self.embed_observation, o),
            (self.embed_action, a),
        )
        flat = [layer(x.flatten(1, 2)) for layer, x in pairs]  # (S, B*K, W) each
        time = self.embed_time(timestep.flatten(1))
        x = torch.stack(flat, dim=2) + time.unsqueeze(2)  # (S, B*K, 3, W)
        return self.norm(x.flatten(1, 2))

    def _act(self, x: Tensor) -> Tensor:
        y = self.head(self.norm_out(x))
        # float32 also after autocast's products
        return torch.tanh(y if y.dtype == torch.float64 else y.float())

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes, and carry the context to the next."""
        if self.is_double:
            return in_double(self, self._step, inputs, carry)
        return self._step(inputs, carry)

    def _step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        k, tokens = self.context, 3 * self.context
        to_go = carry["return_to_go"] - inputs["reward"] * self.return_scale
        now = {
            "observations": self.normalise(inputs["observation"]),
            "returns": to_go,
        }
        past = {
            name: torch.cat([carry[name], new.unsqueeze(2)], 2)
            for name, new in now.items()
        }
        o, returns = past["observations"], past["returns"]
        a = nn.functional.pad(carry["actions"], (0, 0, 0, 1))  # (S, B, K, A)
        time = carry["timestep"] + torch.arange(1.0 - k, 1.0)  # (S, B, K)
        known = time.clamp(0, self.embed_time.count - 1).long()
        x = self._embed(returns, o, a, known)
        # (S * B, 1, 1, T): steps before the episode's first
        hidden = (time < 0).float().repeat_interleave(3, -1) * HIDDEN
        mask = (hidden.view(-1, 1, 1, tokens) + self.causal).expand(
            -1, self.heads, -1, -1
        )
        mask = mask.flatten(0, 1)
        last = slice(tokens - 2, tokens - 1)
        for block in self.blocks:
            x = block(x, tokens, mask[:, last] if block.last else mask, last)
        squashed = self._act(x)  # (S, B, A)
        actions = torch.cat([carry["actions"], squashed.unsqueeze(2)], 2)
        after = {
            "return_to_go": to_go,
            "timestep": carry["timestep"] + 1,
            "observations": o[:, :, 1:],
            "actions": actions[:, :, 1:],
            "returns": returns[:, :, 1:],
        }
        return {"action": squashed * self.action_scale + self.action_offset}, after

    def inputs(self) -> dict[str, int]:
        """``observation``, and ``reward`` of the step before."""
        return {**super().inputs(), "reward": 1}

    def carry(self) -> dict[str, Carried]:
        """What the table above lists, at the reset of an episode."""
        past = self.context - 1
        return {
            "return_to_go": Carried((1,), float(self.target) * self.return_scale),
            "timestep": Carried((1,)),
            "observations": Carried((past, self.observation_width)),
            "actions": Carried((past, self.action_width)),
            "returns": Carried((past, 1)),
        }

    def linears(self) -> dict[str, nn.Module]:
        """Its layers, in the order they run, by the names of ``get_submodule``.

        The embedding of the return is not among them: it has one input, which is the
        prompt and may lie at the edge of what the data show.
        """
        names = ["embed_observation", "embed_action"]
        for i, block in enumerate(self.blocks):
            parts = ["project", "query"] if block.last else ["project"]
            names += [f"blocks.{i}.{part}" for part in (*parts, "out", "up", "down")]
        return {name: self.get_submodule(name) for name in (*names, "head")}

    def recall(self, logged: Logged) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What it would read and carry after logged steps, to be calibrated on.

        The returns-to-go are those of the data.
        """
        scaled = logged.to_go.unsqueeze(-1) * self.return_scale  # (N, K, 1)
        reward = logged.reward[:, -2, None]
        low = self.action_offset
        carry = {
            "return_to_go": scaled[:, -1] + reward * self.return_scale,
            "timestep": logged.time[:, None],
            "observations": self.normalise(logged.observation[:, :-1]),
            "actions": (logged.action[:, :-1] - low) / self.action_unit,
            "returns": scaled[:, :-1],
        }
        return {"observation": logged.observation[:, -1], "reward": reward}, carry

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        layers: dict[str, Any] = self.linears()
        return {
            "class": "tasks.nets.transformer.DecisionTransformer",
            "stack": self.stack,
            "observation": self.observation_width,
            "action": self.action_width,
            "context": self.context,
            "width": self.width,
            "heads": self.heads,
            "blocks": len(self.blocks),
            "timesteps": self.embed_time.count,
            "return_scale": self.return_scale,
            "target": float(self.target),
            "layers": {name: layer.spec() for name, layer in layers.items()},
            **({"double": True} if self.is_double else {}),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "DecisionTransformer":
        """A policy of the shape that a spec describes, its tensors still zero."""
        zeros, ones = torch.zeros(spec["observation"]), torch.ones(spec["observation"])
        bounds = torch.ones(spec["action"])
        names = ("stack", "context", "width", "heads", "blocks", "timesteps")
        policy = cls(
            **{name: spec[name] for name in (*names, "return_scale", "target")},
            observation_mean=zeros,
            observation_std=ones,
            action_low=-bounds,
            action_high=bounds,
            double=spec.get("double", False),
        )
        policy.replace_linears(
            {
                name: build_layer(entry, spec["stack"])
                for name, entry in spec["layers"].items()
            }
        )
        return policy

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs and carry."""
        emit(self, graph, k)
