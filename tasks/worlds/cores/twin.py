"""A world and its simulated twin, whose physics is a little wrong.

Both have the spaces, starts and rewards of one world. The real one has Gymnasium's
physics; in the simulated one some physical parameters are changed by the factors that
the block says. ``made_in`` says which of the two experience is made in. Policies are
judged in the real one, always, and the reference scores are measured there.

A world of :class:`tasks.worlds.cores.physics.PhysicalWorld` gets a twin by a class
beside its own: ``class PendulumTwin(Twin, Pendulum)``. A block that names this class
has a name of its own. A method that needs both asks for the capability ``simulated``.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from tasks.artifacts.params import OneOf, build
from tasks.worlds import Batch, Floats, WorldParams, require
from tasks.worlds.cores.physics import PhysicalWorld

REAL, SIMULATED = "real", "simulated"


@dataclass(frozen=True)
class TwinParams(WorldParams):
    """What the block of a pair says; docs/worlds.md shows one.

    Attributes:
        simulated: Factors of physical parameters in the simulated one, by name; their
            ranges are in the world's ``physics``.
        made_in: Where experience is made: ``real`` or ``simulated``.
    """

    simulated: dict[str, Any]
    made_in: Annotated[str, OneOf((REAL, SIMULATED))]


class Twin(PhysicalWorld):
    """Mixed into a world before its class: one of a pair, which ``made_in`` says.

    Raises:
        RefusedError: If a physical parameter is unknown or its factor out of range.
    """

    Parameters = TwinParams
    params: TwinParams
    any_name = True

    def __init__(self, params: TwinParams) -> None:
        super().__init__(params)
        self.factors(params.simulated, 1, "simulated")

    @property
    def real(self) -> Self:
        """The one with Gymnasium's physics."""
        return type(self)(dataclasses.replace(self.params, made_in=REAL))

    @property
    def simulated(self) -> Self:
        """The one whose physics is changed."""
        return type(self)(dataclasses.replace(self.params, made_in=SIMULATED))

    def make(self, num_envs: int) -> Batch:
        """A batch of sub-environments, to be reset before the first step."""
        batch = super().make(num_envs)
        if self.params.made_in == SIMULATED:
            require(batch, "set_params")(self.params.simulated)
        return batch

    def env_spec(self) -> EnvSpec:
        """Gymnasium's recipe; it has none of the simulated one, so that is our own."""
        if self.params.made_in == REAL:
            return super().env_spec()
        target = f"{type(self).__module__}.{type(self).__name__}"
        return EnvSpec(
            self.params.env_id,
            entry_point=f"{SimulatedEnv.__module__}:{SimulatedEnv.__name__}",
            max_episode_steps=self.params.max_steps,
            kwargs={"block": {"_target_": target, **dataclasses.asdict(self.params)}},
        )


class SimulatedEnv(gymnasium.Env[Any, Any]):
    """One simulated environment; what a recorded dataset's environment is made of.

    Args:
        block: Of the pair, as in ``params/world/``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, block: Mapping[str, Any]) -> None:
        world = build(block, "world")
        self.observation_space = world.observation_space
        self.action_space = world.action_space
        self.batch: Batch = world.make(1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Start an episode of the seed; without one, of a seed that is drawn."""
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(2**31))
        seen, _ = self.batch.reset(seed=[drawn if seed is None else seed])
        return seen[0], {}

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Step it; Gymnasium's wrapper says when the time is over."""
        seen, rewards, terminated, _, _ = self.batch.step(np.asarray(action)[None])
        return seen[0], float(rewards[0]), bool(terminated[0]), False, {}
