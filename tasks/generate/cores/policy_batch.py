"""Many small policies side by side, and whole episodes of them in one batch.

Shapes: N policies, G numbers in a genome, B rows, O observation, A action.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.generate.engine.recorder import Recorder
from tasks.nets.layers import Linear, perceptron
from tasks.worlds import Floats, World
from tasks.worlds.engine.behaviors import Bounded

Array = NDArray[np.float32]
# actions (n, A) in [-1, 1] of observations (n, O); row i is that of episode i
Act = Callable[[Array], Array]


def lecun(layers: Sequence[nn.Module], draw: torch.Generator) -> None:
    """Draw U(-sqrt(3/inputs), sqrt(3/inputs)); biases become zero.

    Source: LeCun et al. 1998; as Flax' ``lecun_uniform``.
    """
    with torch.no_grad():
        for layer in layers:
            weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
            bound = (3 / weight.shape[1]) ** 0.5
            weight.uniform_(-bound, bound, generator=draw)
            bias.zero_()


class Policies(nn.Module):
    """A stack of perceptrons with ReLU and a tanh at the end, and their genomes.

    A genome is weight (I, O) and bias (O,) of each layer, in order, as one row.

    Args:
        count: N.
        widths: (inputs, hidden..., outputs).
    """

    def __init__(self, count: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(
            Linear(count, i, o) for i, o in pairwise(widths)
        )

    @classmethod
    def of(cls, genomes: Array, widths: Sequence[int]) -> "Policies":
        """Decode genomes (N, G)."""
        policies = cls(len(genomes), widths)
        rows, at = torch.from_numpy(np.array(genomes)), 0
        with torch.no_grad():
            for layer in policies.layers:
                for tensor in (layer.weight, layer.bias):
                    size = tensor[0].numel()
                    tensor.copy_(rows[:, at : at + size].view_as(tensor))
                    at += size
        return policies

    @classmethod
    def random(
        cls, count: int, widths: Sequence[int], draw: torch.Generator
    ) -> "Policies":
        """Policies with weights drawn by :func:`lecun`."""
        policies = cls(count, widths)
        lecun(policies.layers, draw)
        return policies

    def genomes(self) -> Array:
        """Encode all policies, (N, G)."""
        parts = [t.flatten(1) for x in self.layers for t in (x.weight, x.bias)]
        return torch.cat(parts, 1).detach().numpy()

    def forward(self, x: Tensor) -> Tensor:
        """Act on batches: (N, B, O) -> (N, B, A), in [-1, 1]."""
        return torch.tanh(perceptron(x, cast("Sequence[Linear]", self.layers)))

    def act(self, observation: Array) -> Array:
        """Let policy i act on row i: (N, O) -> (N, A), in [-1, 1]."""
        with torch.no_grad():
            return self(torch.from_numpy(observation)[:, None])[:, 0].numpy()


def genes(widths: Sequence[int]) -> int:
    """G, numbers in the genome of a policy with these widths."""
    return sum((i + 1) * o for i, o in pairwise(widths))


class _Rowwise(Bounded):
    """A behaviour for the first rows of a batch; the other rows are parked."""

    noise_width = 0

    def __init__(self, name: str, space: Box, act: Act, count: int) -> None:
        super().__init__(name, space, 0.0)
        self.noise_width = 0
        self.act, self.count = act, count
        self.middle = (space.high + space.low) / 2

    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Array:
        """Each row's own policy acts on it; parked rows get the middle action."""
        del noise, legal
        actions = np.tile(self.middle, (len(observation), 1))
        scaled = self.act(observation[: self.count].astype(np.float32))
        actions[: self.count] += scaled * self.half
        return self.clip(actions)


class Arena:
    """A batch of sub-environments in which many policies are tried at once.

    Args:
        world: With continuous actions.
        slots: Sub-environments; changes speed only.

    Raises:
        RefusedError: If actions are discrete.
    """

    def __init__(self, world: World, slots: int) -> None:
        if world.discrete:
            raise RefusedError(
                PARAMS,
                "world",
                f"{world.params.name}, whose actions are discrete",
                "a world with continuous actions",
                "choose another world",
            )
        self.world, self.batch, self.slots = world, world.make(slots), slots
        self.space = cast("Box", world.action_space)

    def play(
        self, make: Callable[[slice], Act], seeds: Sequence[int], name: str
    ) -> list[Episode]:
        """Play one whole episode for each seed, in order.

        Args:
            make: Gives the policies of a slice of the episodes.
            seeds: Start seed of each episode.
            name: The episodes' source.
        """
        played: list[Episode] = []
        for first in range(0, len(seeds), self.slots):
            rows = slice(first, min(first + self.slots, len(seeds)))
            played += self._together(make(rows), seeds[rows], name)
        return played

    def _together(self, act: Act, seeds: Sequence[int], name: str) -> list[Episode]:
        """Play as many episodes as there are slots, or fewer, side by side."""
        n, batch = len(seeds), self.batch
        behavior = _Rowwise(name, self.space, act, n)
        live = np.arange(self.slots) < n
        spare = [seeds[0]] * (self.slots - n)  # the very first reset wants all
        batch.reset(seed=[*seeds, *spare])
        batch.ended[~live] = True
        book = Recorder(batch, self.slots, 0)
        book.number[:n] = np.arange(n)
        book.first(live)
        done: dict[int, Episode] = {}
        while (book.number >= 0).any():
            terminated, truncated = book.step(behavior)
            for slot in map(int, np.flatnonzero(terminated | truncated)):
                done[slot] = book.take(slot, bool(terminated[slot]), seeds[slot], name)
        return [done[slot] for slot in range(n)]
