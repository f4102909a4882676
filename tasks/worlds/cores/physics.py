"""Worlds whose physics can be changed and pushed while they are stepped.

A physical parameter is changed by a factor of what Gymnasium's environment has, so 1 is
nominal, whatever the unit: masses of a robot in kg, gravity in m/s^2, friction of many
pairs of surfaces at once. Each sub-environment (slice) of a batch has factors of its
own, which stay over resets.

An outer force acts for one step, on top of what the policy does, and no limit of the
motors holds it back.

Shapes: N sub-environments, F numbers in a force.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.params import PARAMS, Range, check_known, check_mapping
from tasks.worlds import Actions, Batch, Flags, Floats, World

ABOVE_ZERO = Range(0.01, 100)  # what divides something, or weighs
FROM_ZERO = Range(0, 100)  # what may be absent: gravity, friction, damping


@dataclass(frozen=True)
class Parameter:
    """A physical parameter.

    Attributes:
        nominal: Its value in Gymnasium's environment; 1 where it stands for many.
        unit: Of that value; ``times`` where it stands for many.
        factors: Between which factors it can be changed.
    """

    nominal: float
    unit: str
    factors: Range = ABOVE_ZERO


class PhysicalBatch(Batch):
    """Sub-environments with physical parameters of their own.

    Attributes:
        psi: Factors in force, (N,) by name; to be changed by :meth:`set_params` alone.
        force: (N, F), what acts in the next step.
        pushed: Whether anything acts in the next step.
    """

    world: "PhysicalWorld"

    def __init__(self, world: "PhysicalWorld", num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.psi: dict[str, Floats] = {n: np.ones(num_envs) for n in world.physics}
        self.force: Floats = np.zeros((num_envs, len(world.force_names)))
        self.pushed = False

    def set_params(self, psi: Mapping[str, Any]) -> None:
        """Change physical parameters, at any time; they stay over resets.

        Args:
            psi: Factors by name, 1 is nominal: one number for all sub-environments, or
                (N,). Names left out return to nominal.

        Raises:
            RefusedError: On a name that the world does not have, a factor outside the
                range that it declares, or another shape. Nothing is changed then.
        """
        factors = self.world.factors(psi, self.num_envs)
        changed = np.zeros(self.num_envs, bool)
        for name, values in factors.items():
            changed |= values != self.psi[name]
        self.psi = factors
        self._change(np.flatnonzero(changed))

    def apply_force(self, force: Floats) -> None:
        """Push the sub-environments during the next step, and in that step alone.

        Args:
            force: (N, F), in the order and unit of ``world.force_names``. It replaces
                what was asked for since the last step.

        Raises:
            RefusedError: On another shape, or a number that is not finite.
        """
        where, name = f"world {self.world.params.name}", "force"
        asked, mend = np.asarray(force), "give a row for each sub-environment"
        if asked.shape != self.force.shape or asked.dtype.kind not in "fiu":
            found = f"{asked.dtype} of shape {asked.shape}"
            raise RefusedError(where, name, found, f"floats {self.force.shape}", mend)
        if not np.isfinite(asked).all():
            row = int(np.flatnonzero(~np.isfinite(asked).all(axis=1))[0])
            found = f"{asked[row].tolist()} in row {row}"
            raise RefusedError(where, name, found, "finite numbers", mend)
        self.force, self.pushed = asked.astype(np.float64), True

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Floats, dict[str, Any]]:
        """Start episodes, as ``Batch.reset``; forces asked for before are dropped."""
        self._drop_forces()
        return super().reset(seed=seed, options=options)

    def step(
        self, actions: Actions
    ) -> tuple[Floats, Floats, Flags, Flags, dict[str, Any]]:
        """Step, as ``Batch.step``, with the forces asked for since the last one."""
        outcome = super().step(actions)
        self._drop_forces()
        return outcome

    def _drop_forces(self) -> None:
        if self.pushed:
            self.force, self.pushed = np.zeros_like(self.force), False

    @abstractmethod
    def _change(self, rows: NDArray[np.intp]) -> None:
        """Give some sub-environments the physics that :attr:`psi` says."""


class PhysicalWorld(World):
    """A world with physical parameters and a place to push.

    Attributes:
        physics: Its parameters by name.
        force_names: What the F numbers of a force are, e.g. ``foot_x``.
        force_unit: Of all of them.
    """

    physics: Mapping[str, Parameter]
    force_names: tuple[str, ...]
    force_unit: str = "N"

    def factors(
        self, psi: Mapping[str, Any], num_envs: int, field: str = "psi"
    ) -> dict[str, Floats]:
        """Factors of all physical parameters, (N,) each, from those of some.

        Args:
            psi: As :meth:`PhysicalBatch.set_params` takes it.
            num_envs: N.
            field: Where they stand in the world's block, for errors.

        Raises:
            RefusedError: As there.
        """
        where = f"world {self.params.name}.{field}"
        check_mapping(psi, where)
        whole: dict[str, Floats] = {name: np.ones(num_envs) for name in self.physics}
        for name, value in psi.items():
            check_known(name, self.physics, where, "an unknown physical parameter")
            factors, limits = np.asarray(value), self.physics[name].factors
            fits = factors.dtype.kind in "fiu" and factors.shape in ((), (num_envs,))
            numbers = factors.ravel().tolist() if fits else []
            outside = [x for x in numbers if x not in limits]
            if outside or not fits:
                raise RefusedError(
                    PARAMS,
                    f"{where}.{name}",
                    shown(outside[0] if outside else value),
                    f"a factor in {limits}, 1 is nominal; one for all, or one for each "
                    f"of {num_envs}",
                    "docs/worlds.md lists what can be changed",
                )
            whole[name] = np.broadcast_to(factors, (num_envs,)).astype(np.float64)
        return whole

    def force_space(self, limit: float) -> Box:
        """What an adversary may push with: (F,) between -limit and limit."""
        return Box(-limit, limit, (len(self.force_names),), np.float64)
