"""Behaviours: policies that act in a world while experience is made or measured.

A behaviour has no memory and draws nothing itself: it is given the noise of each step,
drawn for a whole episode beforehand, so that an episode depends on its seed alone.

Shapes: N observations, O numbers in one, A in an action, W numbers of noise a step,
T steps.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.actions import pick_legal
from tasks.artifacts.density import Doubles, distribution, scaled, uniform_log_prob
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import check_name
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import PARAMS
from tasks.worlds import Actions, Floats, World

Array = NDArray[np.float32]

BEHAVIORS = Path("data/behaviors")  # <world>/<name>.onnx
RANDOM = "random"


class Behavior(ABC):
    """A policy without memory that is given its noise.

    Args:
        name: The source its episodes are marked with.
        noise: Scale of its noise, 0 for none; in a discrete world the share of actions
            that are random.

    Attributes:
        noise_width: W.
    """

    noise_width: int

    def __init__(self, name: str, noise: float) -> None:
        self.name, self.noise = name, noise

    @abstractmethod
    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """All noise of one episode, (steps, W)."""

    @abstractmethod
    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Actions:
        """Act.

        Args:
            observation: (N, O), units of the world.
            noise: (N, W), of this step.
            legal: (N, A), 1.0 where an action is allowed; None allows all.

        Returns:
            (N, A), inside the world's bounds; of a discrete world their numbers (N,).
        """

    def log_prob(self, observation: Floats, action: Array) -> Doubles | None:
        """How likely the behaviour was to take each action.

        Args:
            observation: (T, O), units of the world.
            action: (T, A), taken there, units of the world.

        Returns:
            (T,), log of the density of the action scaled to [-1, 1], at the bounds of
            the tail beyond them (``tasks.artifacts.density`` says why). None, the
            default, where it is not known.
        """
        del observation, action
        return None


class Bounded(Behavior):
    """A behaviour of a continuous world; its noise is standard normal.

    Args:
        name: The source its episodes are marked with.
        space: Of the world's actions.
        noise: Scale of its noise, 0 for none.

    Attributes:
        low: Bounds of the action, (A,).
        high: Bounds of the action, (A,).
        half: Half of its range, (A,).
    """

    def __init__(self, name: str, space: Box, noise: float) -> None:
        super().__init__(name, noise)
        self.low, self.high = space.low, space.high
        self.half = (space.high - space.low) / 2
        self.noise_width = len(self.low)

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """All noise of one episode, (steps, A), standard normal."""
        return generator.standard_normal((steps, self.noise_width), np.float32)

    def clip(self, actions: NDArray[Any]) -> Array:
        """Actions (N, A) cut to the world's bounds."""
        return np.clip(actions, self.low, self.high).astype(np.float32, copy=False)


class Uniform(Bounded):
    """The random policy of a continuous world: actions drawn evenly from its bounds."""

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """All noise of one episode, (steps, A), uniform in [0, 1)."""
        return generator.random((steps, self.noise_width), np.float32)

    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Array:
        """Low bound plus noise times the range, (N, A)."""
        del observation, legal
        return self.clip(self.low + 2 * self.half * noise)

    def log_prob(self, observation: Floats, action: Array) -> Doubles:
        """Log density (T,) of even draws from [-1, 1]."""
        del observation
        return uniform_log_prob(scaled(action, self.low, self.high))


class Network(Bounded):
    """An ONNX policy of a continuous world.

    A policy with an input for noise samples as it was trained to, its noise times the
    scale. One without gets Gaussian noise on its action: the scale is then the
    deviation, in halves of the action's range, and the result is clipped to the bounds.

    Args:
        name: The source its episodes are marked with.
        space: Of the world's actions.
        noise: The scale, 0 for none.
        policy: Opened.
    """

    def __init__(self, name: str, space: Box, noise: float, policy: OnnxPolicy) -> None:
        super().__init__(name, space, noise)
        self.policy = policy
        self.samples = "noise" in policy.contract["inputs"]
        if self.samples:
            self.noise_width = policy.contract["inputs"]["noise"]["shape"][1]

    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Array:
        """The policy's actions with this noise, (N, A)."""
        del legal
        scale = np.float32(self.noise)
        if self.samples:
            return self.clip(self.policy.act(observation, noise * scale))
        actions = self.policy.act(observation)
        if self.noise:
            actions = actions + noise * (scale * self.half).astype(np.float32)
        return self.clip(actions)

    def log_prob(self, observation: Floats, action: Array) -> Doubles | None:
        """Log density (T,) of actions; where they were clipped, that of the tail.

        None without noise, as a deterministic action has no density, and where the
        network turns noise into actions in another way than a gaussian head does.
        """
        if self.noise <= 0 or (self.samples and not self.policy.has_head):
            return None
        sampled = distribution(self.policy, observation, self.noise)
        return sampled.log_prob(scaled(action, self.low, self.high))


class Chooser(Behavior):
    """A behaviour of a discrete world: a share of its actions is random.

    Random actions are drawn evenly from the legal ones.

    Args:
        name: The source its episodes are marked with.
        count: A, actions to choose from.
        noise: The share, 0..1.
        policy: Chooses the other actions; without one all are random.
    """

    noise_width = 2  # whether the action is random, and which it then is

    def __init__(
        self, name: str, count: int, noise: float, policy: OnnxPolicy | None = None
    ) -> None:
        super().__init__(name, noise)
        self.count, self.policy = count, policy

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """All noise of one episode, (steps, 2), uniform in [0, 1)."""
        return generator.random((steps, 2), np.float32)

    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Actions:
        """The policy's choice or a random one, (N,)."""
        if legal is None:
            legal = np.ones((len(observation), self.count), np.float32)
        random = pick_legal(noise[:, 1], legal)
        if self.policy is None:
            return random
        best = self.policy.act(observation, legal=legal)
        return np.where(noise[:, 0] < self.noise, random, best)


def open_behavior(
    behaviors: Path, world: World, policy: str, noise: float, threads: int = 1
) -> Behavior:
    """Open a behaviour by its name.

    Args:
        behaviors: Folder of behaviour policies.
        world: Where it will act.
        policy: ``random``, or a file ``<behaviors>/<world>/<policy>.onnx``.
        noise: Scale of its noise.
        threads: Threads of onnxruntime.

    Raises:
        RefusedError: If there is no such file, it does not fit the world's spaces or
            carries something between steps, or noise is above 1 in a discrete world.
    """
    check_name(policy, "policy")
    space = world.action_space
    if isinstance(space, Discrete) and noise > 1:
        raise RefusedError(
            PARAMS,
            "noise",
            noise,
            f"0 to 1 in {world.params.name}: the share of actions that are random",
            "lower noise",
        )
    if policy == RANDOM:
        if isinstance(space, Discrete):
            return Chooser(RANDOM, int(space.n), 1.0)
        return Uniform(RANDOM, space, noise)
    path = behaviors / world.params.name / f"{policy}.onnx"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.onnx"))
        raise RefusedError(
            path,
            "policy",
            "nothing",
            ", ".join([RANDOM, *known]),
            f"run: python -m tasks.behaviors --world {world.params.name}",
        )
    return behavior_of(path, world, policy, noise, threads)


def behavior_of(
    path: Path, world: World, policy: str, noise: float, threads: int = 1
) -> Behavior:
    """The behaviour of an ONNX file, called ``policy``; as :func:`open_behavior`."""
    space = world.action_space
    opened = OnnxPolicy.open(path, threads=threads, distribution=True)
    contract = opened.contract
    action = contract["outputs"]["action"]
    widths = [
        contract["inputs"]["observation"]["shape"][1],
        action["n"] if "n" in action else action["shape"][1],
        "n" in action,
    ]
    expected = [
        (world.observation_space.shape or (1,))[0],
        world.action_width,
        world.discrete,
    ]
    if widths != expected:
        raise RefusedError(
            path,
            "observation width, action width, discrete",
            widths,
            expected,
            f"take a policy made for {world.params.name}",
        )
    if contract["carry"]:
        raise RefusedError(
            path,
            "carry",
            ", ".join(contract["carry"]),
            "nothing: a behaviour has no memory",
            "record with a policy of one observation a step",
        )
    if isinstance(space, Discrete):
        return Chooser(policy, int(space.n), noise, opened)
    return Network(policy, space, noise, opened)
