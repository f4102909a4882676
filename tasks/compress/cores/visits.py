"""Where a policy goes: what its step reads and carries in the states it visits itself.

Shapes: S seeds, E sub-environments a seed, N states.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.artifacts.seeding import generator
from tasks.compress.cores.layer_inputs import Situation
from tasks.nets.policy import Policy, take

if TYPE_CHECKING:  # most compressions need no simulator
    from tasks.worlds import Actions, World
    from tasks.worlds.engine.visiting import Sight

ENVS = 4  # sub-environments a seed
LONGEST = 1_000  # steps in each at most, unless that gives too few states


def visits(
    world: "World",
    policy: Policy,
    seeds: Sequence[int],
    purpose: str,
    count: int,
    envs: int = ENVS,
    steps: int | None = None,
) -> Situation:
    """Let each seed's policy act, and keep states drawn evenly from those it meets.

    Args:
        world: Where; it can be played.
        policy: Acts without chance, unless it is played with noise, which is seeded.
        seeds: Seed numbers; slice by slice everything depends on them, so that seed k
            alone visits what it visits in a stack.
        purpose: In words; another one has other episodes.
        count: N, states of each seed.
        envs: E.
        steps: In each sub-environment; None: whole episodes of up to 1 000 steps.

    Returns:
        Inputs and carry of the policy's step, (S, N, ...) each, in the order of time.
    """
    from tasks.worlds.engine.visiting import visited

    if steps is None:
        steps = max(min(world.params.max_steps, LONGEST), -(-count // envs))
    alone = [
        _Visitor(take(policy, k), seed, purpose, count, envs, steps)
        for k, seed in enumerate(seeds)
    ]

    def act(sight: "Sight") -> "Actions":
        parts = [visitor.act(sight, k) for k, visitor in enumerate(alone)]
        return torch.cat(parts).numpy()

    visited(world, act, seeds, purpose, envs, steps)
    inputs, carry = (
        {
            name: torch.stack([torch.cat(v.kept[side][name]) for v in alone])
            for name in alone[0].kept[side]
        }
        for side in range(2)
    )
    return inputs, carry


class _Visitor:
    """One seed's policy in its sub-environments, keeping some of what it meets."""

    def __init__(
        self, policy: Policy, seed: int, purpose: str, count: int, envs: int, steps: int
    ) -> None:
        self.policy, self.envs, self.step = policy, envs, 0
        draw = generator(seed, f"states of {purpose}")
        picked = torch.zeros(steps * envs, dtype=torch.bool)
        picked[torch.randperm(steps * envs, generator=draw)[:count]] = True
        self.picked = picked.view(steps, envs)
        self.noise = generator(seed, f"noise of {purpose}")
        self.carried = {
            name: torch.full((1, envs, *entry.shape), entry.reset)
            for name, entry in policy.carry().items()
        }
        sides = policy.inputs(), policy.carry()
        self.kept: tuple[dict[str, list[Tensor]], ...]
        self.kept = tuple({name: [] for name in side} for side in sides)

    @torch.no_grad()
    def act(self, sight: "Sight", k: int) -> Tensor:
        """Actions (E, A) or (E,) in the k-th E sub-environments."""
        own = slice(k * self.envs, (k + 1) * self.envs)
        for name, entry in self.policy.carry().items():
            self.carried[name][:, torch.from_numpy(sight.began[own])] = entry.reset
        inputs = self._inputs(sight, own)
        here = self.picked[self.step]
        for kept, side in zip(self.kept, (inputs, self.carried), strict=True):
            for name, value in side.items():
                kept[name].append(value[0, here].clone())
        self.step += 1
        outputs, carried = self.policy.step(inputs, self.carried)
        self.carried = {name: value.clone() for name, value in carried.items()}
        return outputs["action"][0]

    def _inputs(self, sight: "Sight", own: slice) -> dict[str, Tensor]:
        """What the policy reads, (1, E, width) each."""
        inputs = {}
        for name, width in self.policy.inputs().items():
            if name == "noise":
                shape = (1, self.envs, width)
                normal = self.policy.acting == "normal"
                inputs[name] = (
                    torch.randn(shape, generator=self.noise)
                    if normal
                    else torch.zeros(shape)
                )
            else:
                inputs[name] = torch.from_numpy(getattr(sight, name)[own])[None]
        return inputs


def mixed(first: Situation, then: Situation) -> Situation:
    """States of two situations after each other, (S, N, ...) and (S, M, ...) each."""

    def joined(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.cat([x, b[name]], 1) for name, x in a.items()}

    return joined(first[0], then[0]), joined(first[1], then[1])


def cut(situation: Situation, rows: slice, k: int | None = None) -> Situation:
    """Some of a situation's states, of all seeds or of the k-th alone, (1, n, ...)."""
    of = slice(None) if k is None else slice(k, k + 1)
    inputs, carry = (
        {name: x[of, rows] for name, x in side.items()} for side in situation
    )
    return inputs, carry
