"""Trained critics as a module of their own: Q(s, a) in units of the world.

Shapes: S seeds, E ensemble, B batch, O observation, A action.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.layers import Linear, perceptron
from tasks.nets.policy import build_layer


class Critic(nn.Module):
    """Normaliser -> layers with ReLU between -> one number a member.

    The observation is normalised and the action scaled to [-1, 1] inside; an action
    outside the bounds is scaled alike, not clipped.

    Args:
        layers: Of S*E slices, seed by seed; O + A inputs, one output.
        members: E.
        observation_mean: (O,), units of the world.
        observation_std: (O,), same units, positive.
        action_low: (A,), lower action bounds of the world.
        action_high: (A,), upper ones.
    """

    def __init__(
        self,
        layers: Sequence[Linear],
        members: int,
        observation_mean: Tensor,
        observation_std: Tensor,
        action_low: Tensor,
        action_high: Tensor,
    ) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(layers)  # torch types its items too widely
        self.members = members
        self.observation_mean: Tensor
        self.observation_std: Tensor
        self.action_scale: Tensor
        self.action_offset: Tensor
        self.register_buffer("observation_mean", observation_mean.clone())
        self.register_buffer("observation_std", observation_std.clone())
        half = (action_high - action_low) / 2  # 0 of a locked action, which is 0 itself
        self.register_buffer("action_scale", torch.where(half > 0, half, 1.0))
        self.register_buffer("action_offset", (action_high + action_low) / 2)

    @property
    def seeds(self) -> int:
        """S."""
        return int(self.layers[0].stack) // self.members

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        """Q of each member: (S, B, O), (S, B, A), units of the world -> (S, E, B)."""
        o = (observation - self.observation_mean) / self.observation_std
        a = (action - self.action_offset) / self.action_scale
        q = perceptron(torch.cat([o, a], dim=-1), list(self.layers))
        return q.view(len(o), self.members, -1)

    def alone(self, k: int) -> "Critic":
        """A copy of seed k's critics, S = 1."""
        copy = Critic.from_spec({**self.spec(), "stack": self.members})
        rows = slice(k * self.members, (k + 1) * self.members)
        whole = self.state_dict().items()
        copy.load_state_dict(
            {n: t[rows] if n.startswith("layers.") else t for n, t in whole}
        )
        return copy.requires_grad_(requires_grad=False)

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for critic.json."""
        return {
            "class": "tasks.nets.critic.Critic",
            "stack": int(self.layers[0].stack),
            "members": self.members,
            "observation": len(self.observation_mean),
            "action": len(self.action_scale),
            "layers": [layer.spec() for layer in self.layers],
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Critic":
        """Critics of the right shape, their tensors still zero.

        Raises:
            RefusedError: If a layer names a class outside ``tasks.nets``.
        """
        layers: Any = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        zeros, ones = torch.zeros(spec["observation"]), torch.ones(spec["observation"])
        bounds = torch.ones(spec["action"])
        return cls(layers, spec["members"], zeros, ones, -bounds, bounds)
