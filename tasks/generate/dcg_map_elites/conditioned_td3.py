"""TD3 whose critics and actor are told which descriptor to reach.

Paper: Faldor, Chalumeau, Flageat & Cully 2023 (arXiv 2303.03832), section 4; TD3 is
Fujimoto, van Hoof & Meger 2018 (arXiv 1802.09477). What only the authors' code shows:
truncation masks the TD error, and a delayed actor step uses the critic from before the
critic's own step.

Shapes: B rows, O observation, A action, D descriptor, P policies. Actions lie in
[-1, 1]; d is the observed descriptor of a whole episode, d' the one that was asked for,
both normalised to [-1, 1].
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


def similarity(observed: Tensor, wanted: Tensor, length: float) -> Tensor:
    """S(d, d') = exp(-||d - d'|| / L): (B, D), (B, D) -> (B, 1)."""
    return torch.exp(-torch.linalg.vector_norm(observed - wanted, dim=1) / length)[
        :, None
    ]


@dataclass(frozen=True)
class Recipe(Params):
    """Numbers of the learning; see params/generate/dcg_map_elites.yaml."""

    conditioned: bool
    length_scale: Annotated[float, Range(0, 100, open=True)]
    discount: Annotated[float, Range(0, 1)]
    polyak: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]
    actor_rate: Annotated[float, Range(0, 1)]
    target_noise: Annotated[float, Range(0)]
    noise_clip: Annotated[float, Range(0)]
    policy_delay: Annotated[int, Range(1)]
    gradient_steps: Annotated[int, Range(1)]
    policy_rate: Annotated[float, Range(0, 1)]


class Teacher:
    """Critics, actor, their targets and optimisers.

    Without ``conditioned`` no network sees a descriptor and S is 1, which leaves the
    TD3 of PGA-MAP-Elites (Nilsson & Cully 2021).

    Args:
        recipe: Its numbers.
        seed: Of its weights.
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
        self.recipe, self.told = recipe, d if recipe.conditioned else 0
        self.actor = Policies(1, (o + self.told, *actor_hidden, a))
        self.critics = MLP(
            [seed], "critics", (o + a + self.told, *critic_hidden, 1), members=2
        )
        lecun(self.actor.layers, torch_chance(seed, "actor"))
        lecun(self.critics.layers, torch_chance(seed, "critics"))
        self.target_actor = copy.deepcopy(self.actor).requires_grad_(False)
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        self.adam = {
            "actor": _Climb(self.actor, recipe.actor_rate),
            "critics": _Climb(self.critics, recipe.critic_rate),
        }
        pairs = (self.target_actor, self.actor), (self.target_critics, self.critics)
        self.follows = [
            (list(old.parameters()), list(new.parameters())) for old, new in pairs
        ]
        self.steps = 0

    def aim(self, wanted: Tensor) -> Tensor:
        """What the networks see of d': (..., D), or (..., 0) if not conditioned."""
        return wanted[..., : self.told]

    def values(self, critics: MLP, x: Tensor, action: Tensor, wanted: Tensor) -> Tensor:
        """Q1 and Q2 (2, B, 1)."""
        row = torch.cat([x, action, self.aim(wanted)], 1)
        found: Tensor = critics(row[None])[0]
        return found

    def first_value(self, x: Tensor, action: Tensor, wanted: Tensor) -> Tensor:
        """Q1 (B, 1)."""
        row = torch.cat([x, action, self.aim(wanted)], 1)
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
            seen = torch.cat([rows.after, self.aim(rows.wanted)], 1)
            action = (self.target_actor(seen[None])[0] + noise).clamp(-1, 1)
            q = self.values(self.target_critics, rows.after, action, rows.wanted)
            reward = rows.reward
            if p.conditioned:
                reward = reward * similarity(rows.observed, rows.wanted, p.length_scale)
            y = reward + p.discount * (1 - rows.terminated) * q.amin(0)
        q = self.values(self.critics, rows.observation, rows.action, rows.wanted)
        return ((q - y) * (1 - rows.truncated)).square().mean((1, 2)).sum()

    def actor_loss(self, rows: Rows) -> Tensor:
        """-mean Q1(s, pi(s | d') | d')."""
        seen = torch.cat([rows.observation, self.aim(rows.wanted)], 1)
        action = self.actor(seen[None])[0]
        return -self.first_value(rows.observation, action, rows.wanted).mean()

    def update(self, rows: Rows, noise: Tensor) -> tuple[float, float]:
        """One TD3 step; the losses of critics and actor (NaN where it rested)."""
        p = self.recipe
        self.steps += 1
        moves = self.steps % p.policy_delay == 0
        critic_loss = self.critic_loss(rows, noise)
        actor_loss = self.actor_loss(rows) if moves else torch.tensor(torch.nan)
        if moves:  # both by the critics from before their step
            self.adam["actor"].down(actor_loss)
        self.adam["critics"].down(critic_loss)
        actors, critics = self.follows
        _follow(*critics, p.polyak)
        if moves:
            _follow(*actors, p.polyak)
        return critic_loss.item(), actor_loss.item()

    def improve(self, genomes: Array, wanted: Tensor, states: Tensor) -> Array:
        """Policy-gradient variation of policies (P, G): their children (P, G).

        Each climbs mean Q1(s, pi(s) | d') of its own d' with an Adam of its own; all
        see the same states, and the critics stay.

        Args:
            genomes: The parents.
            wanted: (P, D), the parents' own descriptors.
            states: (steps, B, O).
        """
        o, a = states.shape[2], self.actor.layers[-1].outputs
        hidden = [layer.outputs for layer in self.actor.layers[:-1]]
        policies = Policies.of(genomes, (o, *hidden, a))
        adam, count = _Climb(policies, self.recipe.policy_rate), len(genomes)
        batch = states.shape[1]
        aims = wanted[:, None].expand(-1, batch, -1).flatten(0, 1)
        for x in states:
            same = x.expand(count, -1, -1)
            action = policies(same).flatten(0, 1)  # (P B, A)
            value = self.first_value(same.flatten(0, 1), action, aims)
            adam.down(-value.view(count, batch).mean(1).sum())  # no weight is shared
        return policies.genomes()

    def act(self, observation: Array, wanted: Array) -> Array:
        """pi(s | d'): (B, O), (B, D) -> (B, A) in [-1, 1]."""
        with torch.no_grad():
            aim = self.aim(torch.from_numpy(wanted))
            seen = torch.cat([torch.from_numpy(observation), aim], 1)
            return self.actor(seen[None])[0].numpy()

    def folded(self, wanted: Array) -> Array:
        """pi(. | d') as plain policies, one a descriptor: (P, D) -> genomes (P, G).

        W1' = W1[:O] and b1' = b1 + d' W1[O:].
        """
        aims = self.aim(torch.from_numpy(wanted))  # (P, D)
        first, *rest = self.actor.layers
        o = first.inputs - self.told
        bias = first.bias[0] + aims @ first.weight[0, o:]  # (P, H)
        parts = [first.weight[0, :o].expand(len(aims), -1, -1).flatten(1), bias]
        for layer in rest:
            whole = (layer.weight, layer.bias)
            parts += [x.expand(len(aims), -1, -1).flatten(1) for x in whole]
        return torch.cat(parts, 1).detach().numpy()

    def tensors(self) -> dict[str, Tensor]:
        """Everything, for a checkpoint."""
        told = {"steps": torch.tensor(self.steps)}
        for name, net in self._networks().items():
            told |= {f"{name}.{k}": v for k, v in net.state_dict().items()}
        for name, adam in self.adam.items():
            for i, moments in adam.optimiser.state_dict()["state"].items():
                told |= {f"adam.{name}.{i}.{k}": v for k, v in moments.items()}
        return told

    def restore(self, told: dict[str, Tensor]) -> None:
        """Be as :meth:`tensors` said."""
        self.steps = int(told["steps"])
        for name, net in self._networks().items():
            net.load_state_dict({k: told[f"{name}.{k}"] for k in net.state_dict()})
        for name, adam in self.adam.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, tensor in told.items():
                if key.startswith(f"adam.{name}."):
                    i, moment = key.split(".")[2:]
                    state.setdefault(int(i), {})[moment] = tensor
            adam.optimiser.load_state_dict(
                {**adam.optimiser.state_dict(), "state": state}
            )

    def _networks(self) -> dict[str, nn.Module]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "target_actor": self.target_actor,
            "target_critics": self.target_critics,
        }


class _Climb:
    """Adam (betas 0.9 and 0.999, eps 1e-8) on the weights of one network."""

    def __init__(self, net: nn.Module, rate: float) -> None:
        self.weights = list(net.parameters())
        self.optimiser = Adam(self.weights, lr=rate, fused=True)

    def down(self, loss: Tensor) -> None:
        """One step down a loss; only these weights get a gradient."""
        slopes = torch.autograd.grad(loss, self.weights)
        for weight, slope in zip(self.weights, slopes, strict=True):
            weight.grad = slope.contiguous()  # fused Adam reads raw memory
        self.optimiser.step()


def _follow(old: Sequence[Tensor], new: Sequence[Tensor], share: float) -> None:
    """Old <- (1 - share) old + share new."""
    with torch.no_grad():
        torch._foreach_lerp_(list(old), list(new), share)
