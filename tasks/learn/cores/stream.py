"""What a stream shows, and what is carried from one step of it to the next.

Paper: Elsayed, Vasan, Mahmood 2024 (arXiv 2410.14606). Observations are normalised and
rewards scaled by what was seen so far. With a clock, the time in the episode is one
more input, from -0.5, 1 / limit a step; the first step shows that of the reset again.

Shapes: S seeds, O observation, A action, I inputs of the networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, OneOf, Range
from tasks.learn import StreamingLearner, StreamingParams
from tasks.learn.cores import obgd
from tasks.learn.cores.running import RewardScale, Running
from tasks.learn.cores.streaming_network import StreamingNetwork
from tasks.nets.streaming import BEGIN, Streaming
from tasks.train import Spaces
from tasks.worlds import World


@dataclass(frozen=True)
class StreamParams(StreamingParams):
    """Parameters of every method on this core.

    Attributes:
        hidden: Units of each hidden layer.
        discount: Per step.
        trace: Share of an eligibility trace that is kept a step, lambda.
        step: ``bounded``, by ObGD, or ``fixed``.
        rate: The step size, where nothing bounds it.
        sparsity: Share of each unit's incoming weights that start at 0.
        layer_norm: Whether one follows each hidden layer.
        normalise: Whether observations are.
        scale_rewards: Whether rewards are.
        clock: The world's ``max_steps``, for an input of the time in the episode; 0
            for none.
    """

    hidden: Annotated[tuple[int, ...], Range(2, 65_536)]
    discount: Annotated[float, Range(0, 1)]
    trace: Annotated[float, Range(0, 1)]
    step: Annotated[str, OneOf(("bounded", "fixed"))]
    rate: Annotated[float, Range(0, 10, open=True)]
    sparsity: Annotated[float, Range(0, 1)]
    layer_norm: bool
    normalise: bool
    scale_rewards: bool
    clock: Annotated[int, Range(0, 10**6)]


AnyParams = TypeVar("AnyParams", bound=StreamParams)


class Stream(StreamingLearner[AnyParams]):
    """Networks of one stream a seed.

    Attributes:
        here: (S, I), where each world is, as the networks see it.
        begins: (S,) bool, whether an episode begins at the next ``act``.
        steps: (S,), of the present episode.
    """

    here: Tensor
    begins: Tensor
    steps: Tensor

    def __init__(
        self, params: AnyParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        s = len(seeds)
        self.inputs = spaces.observation + bool(params.clock)
        self.seen = Running(s, spaces.observation)
        self.scale = RewardScale(s, params.discount)
        self.register_buffer("here", torch.zeros(s, self.inputs))
        self.register_buffer("begins", torch.ones(s, dtype=torch.bool))
        self.register_buffer("steps", torch.zeros(s, dtype=torch.int64))

    def check_world(self, world: World) -> None:
        """Refuse a clock that would not reach 0.5 where episodes are cut short."""
        clock, limit = self.params.clock, world.params.max_steps
        if clock not in (0, limit):
            where = f"learn.{self.method()[1]}.clock"
            expected = f"the world's max_steps, {limit}, or 0 for no clock"
            raise RefusedError(PARAMS, where, clock, expected, MEND)

    @property
    def device(self) -> torch.device:
        """Where its tensors are; it has no parameters, which others go by."""
        return self.here.device

    def network(self, outputs: int, name: str) -> StreamingNetwork:
        """A network of this many outputs, told from others by its name."""
        p = self.params
        widths = (self.inputs, *p.hidden, outputs)
        return StreamingNetwork(self.seeds, widths, p.layer_norm, p.sparsity, name)

    def prepared(self, observation: Tensor, seeds: Tensor) -> Tensor:
        """Observations (S, O) as the networks see them, taken in for some seeds."""
        x = observation
        if self.params.normalise:
            self.seen.add(observation, seeds)
            x = self.seen.normalise(observation)
        if not self.params.clock:
            return x
        time = BEGIN + (self.steps - 1).clamp(min=0) / self.params.clock
        return torch.cat([x, time[:, None]], 1)

    def begin(self, observation: Tensor) -> None:
        """Take in the first observation (S, O) of the episodes that begin."""
        begins = self.begins
        if not bool(begins.any()):
            return
        self.steps = torch.where(begins, 0, self.steps)
        fresh = self.prepared(observation, begins)
        self.here = torch.where(begins[:, None], fresh, self.here)
        self.begins = torch.zeros_like(begins)

    def arrive(self, there: Tensor, over: Tensor) -> None:
        """Go on from (S, I), or with another episode where this one is over (S,)."""
        self.here, self.begins = there, over

    def walk(
        self,
        network: StreamingNetwork,
        gradient: Tensor,
        delta: Tensor,
        kappa: float,
        seeds: Tensor,
    ) -> Tensor:
        """Renew the trace of some seeds and step along it.

        Args:
            network: Whose.
            gradient: (S, P).
            delta: TD errors, (S,).
            kappa: Of the bound.
            seeds: (S,) bool.

        Returns:
            The step sizes, (S,).
        """
        p = self.params
        trace = network.trace.clone()
        obgd.decay(trace, gradient, p.discount * p.trace)
        network.trace = torch.where(seeds[:, None], trace, network.trace)
        size = torch.full_like(delta, p.rate)
        if p.step == "bounded":
            size = obgd.bounded(network.trace, delta, p.rate, kappa)
        size = size * seeds
        obgd.step(network.weights, network.trace, delta, size)
        return size

    def acting(self, network: StreamingNetwork) -> Streaming:
        """A policy that acts by a network, its statistics as they are now."""
        p = self.params
        policy = Streaming(
            network.layers(self.spaces.action),  # of mean and deviation the mean
            "categorical" if self.spaces.discrete else "clip",
            self.spaces.action_low,
            self.spaces.action_high,
            normed=p.layer_norm,
            limit=p.clock,
            masked=self.spaces.masked,
        )
        if p.normalise:
            policy.seen.mean = self.seen.mean[:, None].float()
            policy.seen.std = self.seen.std[:, None].float()
        return policy
