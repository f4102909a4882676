"""Who acts while experience is made."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tasks.artifacts.density import Doubles, distribution, scaled, uniform_log_prob
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.worlds import Floats, World

Array = NDArray[np.float32]

RANDOM = "random"


class Behavior(ABC):
    """A policy without memory that is handed its noise.

    Args:
        name: The source its episodes are marked with.
        space: Actions of the world.
        noise: Scale of its noise, 0 for none.
    """

    def __init__(self, name: str, space: Box, noise: float) -> None:
        self.name, self.noise = name, noise
        self.low, self.high = space.low, space.high
        self.half = (space.high - space.low) / 2

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """All noise of one episode, (steps, A): standard normal."""
        return generator.standard_normal((steps, len(self.low)), np.float32)

    @abstractmethod
    def actions(self, observation: Floats, noise: Array) -> Array:
        """Actions (N, A) for observations (N, O) and this step's noise (N, A)."""

    @property
    def known(self) -> bool:
        """Whether :meth:`log_prob` can tell; by default it cannot."""
        return False

    def log_prob(self, observation: Floats, action: Array) -> Doubles:
        """How likely each action was, see ``tasks.artifacts.density``.

        Args:
            observation: (T, O).
            action: (T, A), taken there, units of the world.

        Returns:
            (T,), log probability of the action scaled to [-1, 1].
        """
        raise NotImplementedError(f"{self.name} cannot tell how likely an action is")

    def clip(self, actions: NDArray[Any]) -> Array:
        """Into the world's bounds."""
        return np.clip(actions, self.low, self.high).astype(np.float32, copy=False)


class Uniform(Behavior):
    """Uniform actions between the bounds."""

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """See :meth:`Behavior.draw`; uniform in [0, 1)."""
        return generator.random((steps, len(self.low)), np.float32)

    def actions(self, observation: Floats, noise: Array) -> Array:
        """See :meth:`Behavior.actions`."""
        del observation
        return self.clip(self.low + 2 * self.half * noise)

    @property
    def known(self) -> bool:
        """Always."""
        return True

    def log_prob(self, observation: Floats, action: Array) -> Doubles:
        """See :meth:`Behavior.log_prob`."""
        del observation
        return uniform_log_prob(scaled(action, self.low, self.high))


class Network(Behavior):
    """An ONNX policy.

    With a noise input it samples as it was trained to, its noise times the scale. One
    without gets Gaussian noise on the action: the scale is in halves of the action's
    range, the result is clipped to the bounds.
    """

    def __init__(self, name: str, space: Box, noise: float, policy: OnnxPolicy) -> None:
        super().__init__(name, space, noise)
        self.policy = policy
        self.samples = "noise" in policy.contract["inputs"]

    def actions(self, observation: Floats, noise: Array) -> Array:
        """See :meth:`Behavior.actions`."""
        scale = np.float32(self.noise)
        if self.samples:
            return self.clip(self.policy.act(observation, noise * scale))
        actions = self.policy.act(observation)
        if self.noise:
            actions = actions + noise * (scale * self.half).astype(np.float32)
        return self.clip(actions)

    @property
    def known(self) -> bool:
        """With noise; a deterministic action has no density.

        Nor has one that a network makes of its noise in another way than a gaussian
        head does.
        """
        return self.noise > 0 and (not self.samples or self.policy.has_head)

    def log_prob(self, observation: Floats, action: Array) -> Doubles:
        """See :meth:`Behavior.log_prob`; where actions were clipped, the tail's."""
        made = distribution(self.policy, observation, self.noise)
        return made.log_prob(scaled(action, self.low, self.high))


def open_behavior(
    behaviors: Path, world: World, policy: str, noise: float, threads: int = 1
) -> Behavior:
    """The behaviour of a name.

    Args:
        behaviors: Folder of behaviour policies.
        world: Where it will act.
        policy: ``random``, or a file ``<behaviors>/<world>/<policy>.onnx``.
        noise: Scale of its noise.
        threads: Threads of onnxruntime.

    Raises:
        RefusedError: If there is no such file, its widths are not the world's, or it
            carries something from step to step.
    """
    if policy == RANDOM:
        return Uniform(RANDOM, world.action_space, noise)
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
    opened = OnnxPolicy.open(path, threads=threads, distribution=True)
    contract = opened.contract
    found = [
        contract["inputs"]["observation"]["shape"][1],
        contract["outputs"]["action"]["shape"][1],
    ]
    expected = [(world.observation_space.shape or (1,))[0], world.action_space.shape[0]]
    if found != expected:
        raise RefusedError(
            path,
            "observation and action width",
            found,
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
    return Network(policy, world.action_space, noise, opened)
