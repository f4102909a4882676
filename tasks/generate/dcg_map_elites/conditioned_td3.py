"""TD3 whose critics and actor are conditioned on the descriptor to reach.

Paper: Faldor, Chalumeau, Flageat & Cully 2023 (arXiv 2303.03832), section 4; TD3 is
Fujimoto, van Hoof & Meger 2018 (arXiv 1802.09477). d is the observed descriptor of the
episode a transition (s, a, r, s') is from, d' the commanded one:

    S(d, d') = exp(-‖d - d'‖ / L)
    a' = clip(π'(s' | d') + clip(σ ε, -c, c), -1, 1),  ε ~ N(0, I)
    y = S(d, d') r + γ (1 - terminated) min_i Q'_i(s', a' | d')
    critics: Σ_i mean[((Q_i(s, a | d') - y) (1 - truncated))²]
    actor:   -mean Q_1(s, π(s | d') | d'), every ``policy_delay`` steps

π' and Q' are target networks, which follow by Polyak averaging. A policy of the archive
is not conditioned; gradients improve it at its own descriptor d_ψ, critics held still:

    policy:  -mean Q_1(s, π_ψ(s) | d_ψ)

What only the authors' code shows: truncation masks the TD error, and a delayed actor
step uses the critic from before the critic's own step.

Shapes: B rows, O observation, A action, D descriptor, P policies. Actions lie in
[-1, 1], descriptors are normalised to [-1, 1].
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.optim import Adam

from tasks.artifacts.params import Params, Range
from tasks.artifacts.seeding import torch_chance
from tasks.generate.cores.policy_batch import Array, Policies, lecun
from tasks.generate.dcg_map_elites.buffer import Rows
from tasks.nets.layers import MLP


def similarity(observed: Tensor, commanded: Tensor, length: float) -> Tensor:
    """S(d, d') = exp(-||d - d'|| / L): (B, D), (B, D) -> (B, 1)."""
    return torch.exp(-torch.linalg.vector_norm(observed - commanded, dim=1) / length)[
        :, None
    ]


@dataclass(frozen=True)
class Recipe(Params):
    """Numbers of the learning; units stand in params/generate/dcg_map_elites.yaml."""

    conditioned: bool
    length_scale: Annotated[float, Range(0, 100, open=True)]
    discount: Annotated[float, Range(0, 1)]
    polyak: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]
    actor_rate: Annotated[float, Range(0, 1)]
    target_noise: Annotated[float, Range(0, 1e9)]
    noise_clip: Annotated[float, Range(0, 1e9)]
    policy_delay: Annotated[int, Range(1, 10**9)]
    gradient_steps: Annotated[int, Range(1, 10**9)]
    policy_rate: Annotated[float, Range(0, 1)]


class Teacher:
    """Critics, actor, their target networks and optimisers.

    Without ``conditioned`` no network sees a descriptor and S is 1, which leaves the
    TD3 of PGA-MAP-Elites (Nilsson & Cully 2021).

    Args:
        recipe: Numbers of the learning.
        seed: Of the initial weights.
        widths: (O, A, D).
        actor_hidden: Layers of the actor.
        critic_hidden: Layers of each critic.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        widths: tuple[int, int, int],
        actor_hidden: Sequence[int],
        critic_hidden: Sequence[int],
    ) -> None:
        o, a, d = widths
        self.recipe, self.aim_width = recipe, d if recipe.conditioned else 0
        self.actor = Policies(1, (o + self.aim_width, *actor_hidden, a))
        self.critics = MLP(
            [seed], "critics", (o + a + self.aim_width, *critic_hidden, 1), members=2
        )
        lecun(self.actor.layers, torch_chance(seed, "actor"))
        lecun(self.critics.layers, torch_chance(seed, "critics"))
        self.target_actor = copy.deepcopy(self.actor).requires_grad_(False)
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        self.adam = {
            "actor": _Adam(self.actor, recipe.actor_rate),
            "critics": _Adam(self.critics, recipe.critic_rate),
        }
        pairs = (self.target_actor, self.actor), (self.target_critics, self.critics)
        self.targets = [
            (list(old.parameters()), list(new.parameters())) for old, new in pairs
        ]
        self.steps = 0

    def aim(self, commanded: Tensor) -> Tensor:
        """The part of d' that networks see: all (..., D), or none if unconditioned."""
        return commanded[..., : self.aim_width]

    def values(
        self, critics: MLP, x: Tensor, action: Tensor, commanded: Tensor
    ) -> Tensor:
        """Q1 and Q2, (2, B, 1), of (B, O), (B, A) and (B, D)."""
        row = torch.cat([x, action, self.aim(commanded)], 1)
        both: Tensor = critics(row[None])[0]
        return both

    def first_value(self, x: Tensor, action: Tensor, commanded: Tensor) -> Tensor:
        """Q1, (B, 1), of (B, O), (B, A) and (B, D)."""
        row = torch.cat([x, action, self.aim(commanded)], 1)
        return self.critics.member(row[None], 0)[0]

    def critic_loss(self, rows: Rows, noise: Tensor) -> Tensor:
        """Sum of both critics' mean squared TD errors, 0 where truncated.

        Args:
            rows: The mini-batch.
            noise: (B, A), standard normal.
        """
        p = self.recipe
        with torch.no_grad():
            noise = (noise * p.target_noise).clamp(-p.noise_clip, p.noise_clip)
            inputs = torch.cat([rows.after, self.aim(rows.commanded)], 1)
            action = (self.target_actor(inputs[None])[0] + noise).clamp(-1, 1)
            q = self.values(self.target_critics, rows.after, action, rows.commanded)
            reward = rows.reward
            if p.conditioned:
                d, goal = rows.observed, rows.commanded
                reward = reward * similarity(d, goal, p.length_scale)
            y = reward + p.discount * (1 - rows.terminated) * q.amin(0)
        q = self.values(self.critics, rows.observation, rows.action, rows.commanded)
        return ((q - y) * (1 - rows.truncated)).square().mean((1, 2)).sum()

    def actor_loss(self, rows: Rows) -> Tensor:
        """Minus the mean of Q1 at the actor's own actions."""
        inputs = torch.cat([rows.observation, self.aim(rows.commanded)], 1)
        action = self.actor(inputs[None])[0]
        return -self.first_value(rows.observation, action, rows.commanded).mean()

    def update(self, rows: Rows, noise: Tensor) -> tuple[float, float]:
        """Take one TD3 step.

        Args:
            rows: The mini-batch.
            noise: (B, A), standard normal.

        Returns:
            The losses of critics and actor, NaN where the actor was not moved.
        """
        p = self.recipe
        self.steps += 1
        moves = self.steps % p.policy_delay == 0
        critic_loss = self.critic_loss(rows, noise)
        actor_loss = self.actor_loss(rows) if moves else torch.tensor(torch.nan)
        if moves:  # both by the critics from before their step
            self.adam["actor"].descend(actor_loss)
        self.adam["critics"].descend(critic_loss)
        actors, critics = self.targets
        _move_targets(*critics, p.polyak)
        if moves:
            _move_targets(*actors, p.polyak)
        return critic_loss.item(), actor_loss.item()

    def improve(self, genomes: Array, commanded: Tensor, states: Tensor) -> Array:
        """Policy-gradient variation of policies (P, G): their children (P, G).

        Each climbs mean Q1(s, pi(s) | d') of its own d' with an Adam of its own; all
        see the same states, and the critics stay.

        Args:
            genomes: The parents.
            commanded: (P, D), the parents' own descriptors.
            states: (steps, B, O).
        """
        o, a = states.shape[2], self.actor.layers[-1].outputs
        hidden = [layer.outputs for layer in self.actor.layers[:-1]]
        policies = Policies.of(genomes, (o, *hidden, a))
        adam, count = _Adam(policies, self.recipe.policy_rate), len(genomes)
        batch = states.shape[1]
        aims = commanded[:, None].expand(-1, batch, -1).flatten(0, 1)
        for x in states:
            same = x.expand(count, -1, -1)
            action = policies(same).flatten(0, 1)  # (P B, A)
            value = self.first_value(same.flatten(0, 1), action, aims)
            loss = -value.view(count, batch).mean(1).sum()  # no weight is shared
            adam.descend(loss)
        return policies.genomes()

    def act(self, observation: Array, commanded: Array) -> Array:
        """pi(s | d'): (B, O), (B, D) -> (B, A) in [-1, 1]."""
        with torch.no_grad():
            aim = self.aim(torch.from_numpy(commanded))
            inputs = torch.cat([torch.from_numpy(observation), aim], 1)
            return self.actor(inputs[None])[0].numpy()

    def folded(self, commanded: Array) -> Array:
        """Plain policies that act as the actor does at given descriptors.

        The descriptor becomes part of the first layer's bias: W1' = W1[:O] and
        b1' = b1 + d' W1[O:].

        Args:
            commanded: (P, D).

        Returns:
            Their genomes (P, G).
        """
        aims = self.aim(torch.from_numpy(commanded))  # (P, D)
        first, *rest = self.actor.layers
        o = first.inputs - self.aim_width
        bias = first.bias[0] + aims @ first.weight[0, o:]  # (P, H)
        parts = [first.weight[0, :o].expand(len(aims), -1, -1).flatten(1), bias]
        for layer in rest:
            whole = (layer.weight, layer.bias)
            parts += [x.expand(len(aims), -1, -1).flatten(1) for x in whole]
        return torch.cat(parts, 1).detach().numpy()

    def tensors(self) -> dict[str, Tensor]:
        """The full state, for a checkpoint."""
        state = {"steps": torch.tensor(self.steps)}
        for name, net in self._networks().items():
            state |= {f"{name}.{k}": v for k, v in net.state_dict().items()}
        for name, adam in self.adam.items():
            for i, moments in adam.optimiser.state_dict()["state"].items():
                state |= {f"adam.{name}.{i}.{k}": v for k, v in moments.items()}
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the state over that :meth:`tensors` gave."""
        self.steps = int(state["steps"])
        for name, net in self._networks().items():
            net.load_state_dict({k: state[f"{name}.{k}"] for k in net.state_dict()})
        for name, adam in self.adam.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, tensor in state.items():
                if key.startswith(f"adam.{name}."):
                    i, moment = key.split(".")[2:]
                    moments.setdefault(int(i), {})[moment] = tensor
            adam.optimiser.load_state_dict(
                {**adam.optimiser.state_dict(), "state": moments}
            )

    def _networks(self) -> dict[str, nn.Module]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "target_actor": self.target_actor,
            "target_critics": self.target_critics,
        }


class _Adam:
    """Adam (betas 0.9 and 0.999, eps 1e-8) on the weights of one network."""

    def __init__(self, net: nn.Module, rate: float) -> None:
        self.weights = list(net.parameters())
        self.optimiser = Adam(self.weights, lr=rate, fused=True)

    def descend(self, loss: Tensor) -> None:
        """Take one step down a loss; only these weights get a gradient."""
        slopes = torch.autograd.grad(loss, self.weights)
        for weight, slope in zip(self.weights, slopes, strict=True):
            weight.grad = slope.contiguous()  # fused Adam reads raw memory
        self.optimiser.step()


def _move_targets(old: Sequence[Tensor], new: Sequence[Tensor], share: float) -> None:
    """Polyak averaging: old <- (1 - share) old + share new."""
    with torch.no_grad():
        torch._foreach_lerp_(list(old), list(new), share)
