"""Two players in one world, of whom one loses what the other earns.

The protagonist acts as in any world. In the same step the adversary pushes a body, or
changes physical parameters, or both, within bounds that are its action space. Reward is
the world's for the protagonist and its negative for the adversary.

An action of the adversary is a row of F forces, in the order and unit of the world's
``force_names``, and then a factor of each parameter it may change. What lies outside
its bounds is cut to them, as motors do.

Shapes: N sub-environments, O observation, A action of the protagonist, F numbers in a
force, B action of the adversary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from gymnasium.spaces import Box

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits, shown
from tasks.artifacts.params import MEND, PARAMS, Params, Range
from tasks.worlds import Actions, Flags, Floats, World, require
from tasks.worlds.cores.physics import PhysicalBatch


@dataclass(frozen=True)
class AdversaryParams(Params):
    """What an adversary may do; part of a method's parameters.

    Attributes:
        force: The largest force an axis, in the world's unit; null: it pushes nothing.
            0 is an adversary that can do nothing, as a control.
        params: Physical parameters it may change, ``name: [lowest, highest]``, factors.
    """

    force: Annotated[float | None, Range(0, 1e6)]
    params: dict[str, Any]

    def __post_init__(self) -> None:
        """Also refuse an adversary without anything to do, and bounds that are none."""
        super().__post_init__()
        if self.force is None and not self.params:
            expected = "a force, or parameters to change"
            raise RefusedError(PARAMS, "force", "null, and no params", expected, MEND)
        for name, ends in self.params.items():
            pair = tuple(ends) if isinstance(ends, list) else ends
            if not (fits(pair, tuple[float, float]) and pair[0] <= pair[1]):
                expected = "[lowest, highest] factor"
                raise RefusedError(
                    PARAMS, f"params.{name}", shown(ends), expected, MEND
                )

    @property
    def low(self) -> dict[str, float]:
        """The lowest factor of each parameter."""
        return {name: ends[0] for name, ends in self.params.items()}

    @property
    def high(self) -> dict[str, float]:
        """The highest factor of each parameter."""
        return {name: ends[1] for name, ends in self.params.items()}


class TwoPlayers:
    """A batch of sub-environments that two players step together.

    Args:
        world: Where they play; parameters that the adversary leaves alone are its own.
        num_envs: N.
        adversary: What the second player may do.

    Raises:
        RefusedError: If the world cannot be pushed, or its physics not be changed so.

    Attributes:
        batch: The sub-environments, to be looked at: ``ended``, ``steps``, ``state()``.
        action_space: Of the protagonist.
        adversary_space: Of the adversary, (B,).
    """

    def __init__(self, world: World, num_envs: int, adversary: AdversaryParams) -> None:
        self.batch: PhysicalBatch = world.make(num_envs)  # type: ignore[assignment]
        self.action_space = world.action_space
        low, high = [], []
        self.pushes = 0
        if adversary.force is not None:
            require(self.batch, "apply_force")
            space = self.batch.world.force_space(adversary.force)
            low, high, self.pushes = [*space.low], [*space.high], len(space.low)
        self.names = tuple(adversary.params)
        if self.names:
            require(self.batch, "set_params")
            for factors in (adversary.low, adversary.high):
                self.batch.world.factors(factors, 1, "adversary.params")
            self.own = dict(self.batch.psi)
        low += adversary.low.values()
        high += adversary.high.values()
        self.adversary_space = Box(np.array(low), np.array(high), dtype=np.float64)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Floats, dict[str, Any]]:
        """Start episodes, as ``Batch.reset``."""
        return self.batch.reset(seed=seed, options=options)

    def step(
        self, actions: Actions, adversary: Floats
    ) -> tuple[Floats, Floats, Flags, Flags, dict[str, Any]]:
        """Let both act.

        Args:
            actions: (N, A) or (N,), of the protagonist.
            adversary: (N, B).

        Returns:
            Observations (N, O), rewards (2, N) of protagonist and adversary, terminated
            (N,), truncated (N,), infos.

        Raises:
            RefusedError: If the adversary's actions have another shape or are not
                finite. Nothing is stepped then.
        """
        asked, shape = (
            np.asarray(adversary),
            (self.batch.num_envs, *self.adversary_space.shape),
        )
        if asked.shape != shape or not np.isfinite(asked).all():
            found = (
                f"shape {asked.shape}" if asked.shape != shape else "NaN or infinity"
            )
            raise RefusedError(
                f"world {self.batch.world.params.name}",
                "adversary's actions",
                found,
                f"finite numbers of shape {shape}",
                "look at the adversary's weights",
            )
        bounds = self.adversary_space
        asked = np.clip(asked, bounds.low, bounds.high)
        if self.pushes:
            self.batch.apply_force(asked[:, : self.pushes])
        if self.names:
            factors = zip(self.names, asked[:, self.pushes :].T, strict=True)
            self.batch.set_params(self.own | dict(factors))
        seen, rewards, terminated, truncated, infos = self.batch.step(actions)
        return seen, np.stack([rewards, -rewards]), terminated, truncated, infos

    def close(self) -> None:
        """Close the sub-environments."""
        self.batch.close()
