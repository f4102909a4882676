"""Worlds: Gymnasium environments as batches, with reference scores and capabilities.

A world is one kind of environment. Its file defines one :class:`World`, whose
:meth:`World.make` returns a :class:`Batch`: a ``gymnasium.vector.VectorEnv`` whose
sub-environments are reset only when asked. One whose episode has ended stays parked
(its last observation, reward 0) until it is reset, so that an episode is never mixed
with the next.

Shapes everywhere in this room: N sub-environments, O numbers in an observation, A in an
action.

Actions are (N, A) within a Box, or (N,) whole numbers of a Discrete space. Where some
are forbidden, ``state()["legal"]`` is (N, A), 1.0 where one is allowed.

What a world can do beyond stepping is a capability, asked for with :func:`require`:

| capability | where | meaning |
|---|---|---|
| ``reset_to`` | batch | start an episode in a given state |
| ``set_params`` | batch | change physical parameters of each sub-environment |
| ``apply_force`` | batch | push each sub-environment for one step |
| ``simulated`` | world | the twin whose physics is a little wrong |
| ``answers`` | batch | the right action of each sub-environment, (N,) |
| ``termination_fn`` | world | whether (s, a, s') ends an episode, no simulator |
| ``descriptor`` | world | what an episode did, D numbers |
| ``maze`` | world | walls and sizes of a maze's cells |
| ``exact`` | world | what a table of actions is worth, and the most there is |

``descriptor(episode)`` gives (D,) of a whole episode with its infos, units of the
world, between its ``descriptor_low`` and ``descriptor_high``, (D,) each.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import gymnasium
import numpy as np
from gymnasium import Space
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tasks.artifacts.actions import check_legal
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import Method
from tasks.artifacts.names import NameRule
from tasks.artifacts.params import PARAMS, Params, Range

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Actions = NDArray[Any]  # floats (N, A), or whole numbers (N,)


@dataclass(frozen=True)
class WorldParams(Params):
    """What every world's YAML says.

    Attributes:
        name: Of the file.
        env_id: Gymnasium id, with version.
        max_steps: Steps after which an episode is truncated.
        ref_min: Mean return of the random policy; normalised score 0.
        ref_max: Mean return of the best behaviour policy; normalised score 100.
        measured: How ref_min and ref_max were measured, in words.
    """

    name: Annotated[str, NameRule()]
    env_id: Annotated[str, NameRule()]
    max_steps: Annotated[int, Range(1, 10**6)]
    ref_min: Annotated[float, Range(-1e9, 1e9)]
    ref_max: Annotated[float, Range(-1e9, 1e9)]
    measured: str

    def __post_init__(self) -> None:
        """Also refuse reference scores that cannot normalise anything."""
        super().__post_init__()
        if not self.ref_max > self.ref_min:
            raise RefusedError(
                PARAMS,
                "ref_max",
                self.ref_max,
                f"more than ref_min, {self.ref_min}",
                "measure the reference scores again",
            )


class Batch(VectorEnv[Floats, Actions, Any], ABC):
    """Several sub-environments of one world, stepped together.

    Args:
        world: The world they belong to.
        num_envs: How many, at least 1.

    Attributes:
        ended: (N,) bool, which sub-environments are parked.
        cut: (N,) bool, which an environment's own clock has ended; none by default.
        threads: That may step sub-environments at once; 1 unless set, and a world may
            use fewer. Results do not depend on it.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012

    def __init__(self, world: "World", num_envs: int) -> None:
        self.world = world
        self.num_envs = num_envs
        self.threads = 1
        self.single_observation_space = world.observation_space
        self.single_action_space = world.action_space
        self.observation_space = batch_space(world.observation_space, num_envs)
        self.action_space = batch_space(world.action_space, num_envs)
        self.ended: Flags = np.ones(num_envs, dtype=bool)
        self.cut: Flags = np.zeros(num_envs, dtype=bool)
        self.steps = np.zeros(num_envs, dtype=np.int64)
        self.observation = np.zeros(
            self.observation_space.shape or (), world.observation_space.dtype
        )

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Floats, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: One start seed for each sub-environment; an integer stands for seed,
                seed+1, ... The start state depends on that seed alone.
            options: ``reset_mask``, (N,) bool: which to reset; all if missing.

        Returns:
            Observations (N, O) and :meth:`state` as infos.

        Raises:
            ValueError: If a sub-environment that is to be reset has no seed.
        """
        mask = np.ones(self.num_envs, bool)
        if options and "reset_mask" in options:
            mask = np.asarray(options["reset_mask"], dtype=bool)
        if seed is None or isinstance(seed, int):
            seed = [None if seed is None else seed + i for i in range(self.num_envs)]
        for i in map(int, np.flatnonzero(mask)):
            start = seed[i]
            if start is None:
                raise ValueError("every reset needs a seed, or runs cannot be repeated")
            self._reset_one(i, int(start))
        self.ended[mask], self.steps[mask], self.cut[mask] = False, 0, False
        self.observation = self._observe()
        return self.observation, self._infos()

    def step(
        self, actions: Actions
    ) -> tuple[Floats, Floats, Flags, Flags, dict[str, Any]]:
        """Step every sub-environment that has not ended.

        Args:
            actions: (N, A), inside the world's bounds, or (N,) of a discrete world.

        Returns:
            Observations (N, O), rewards (N,), terminated (N,), truncated (N,), infos.
        """
        live = ~self.ended
        rewards, terminated = self._step(np.asarray(actions), live)
        self.steps[live] += 1
        late = self.cut | (self.steps >= self.world.params.max_steps)
        truncated = live & ~terminated & late
        self.ended |= terminated | truncated
        self.observation = self._observe()
        return self.observation, rewards, terminated, truncated, self._infos()

    def _infos(self) -> dict[str, NDArray[Any]]:
        """:meth:`state`; refuses a mask that leaves no legal action."""
        if "legal" in (infos := self.state()):
            check_legal(infos["legal"], f"world {self.world.params.name}")
        return infos

    def state(self) -> dict[str, NDArray[Any]]:
        """The simulator's state, (N, ...) each, e.g. qpos and qvel; may be empty."""
        return {}

    def _restarted(self) -> Floats:
        """Observations (N, O) of episodes that begin in the state all were put into."""
        self.ended[:], self.steps[:], self.cut[:] = False, 0, False
        self.observation = self._observe()
        return self.observation

    @abstractmethod
    def _reset_one(self, i: int, seed: int) -> None:
        """Put sub-environment ``i`` into the start state of ``seed``."""

    @abstractmethod
    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        """Step the live ones; rewards (N,) and terminated (N,), 0 where parked."""

    @abstractmethod
    def _observe(self) -> Floats:
        """Observations (N, O) of the present state, a new array each time."""


class World(Method[WorldParams], ABC):
    """One kind of environment, of a block of ``params/world/``.

    Raises:
        RefusedError: If the parameters name an environment that is not the class's.

    Attributes:
        batch: The class of its batches.
        env_ids: The Gymnasium ids its parameters may name. Gymnasium imports the module
            that an id names before a colon, and parameters may come with a dataset, so
            no other id is ever handed to it.
        any_name: Its worlds have names of their own, not that of the module.
        playable: Whether :meth:`make` gives anything to play in.
        observation_space: Of one sub-environment.
        action_space: Of one sub-environment.
        step_seconds: Control step, simulated seconds.
        masked: Some actions are forbidden at times; see ``Batch.state``.
    """

    observation_space: Space[Any]
    action_space: Box | Discrete
    step_seconds: float
    masked: bool = False
    batch: ClassVar[type[Batch]]
    env_ids: ClassVar[tuple[str, ...]] = ()
    any_name: ClassVar[bool] = False
    playable: ClassVar[bool] = True

    def __init__(self, params: WorldParams) -> None:
        self.check_env_id(params.env_id)
        super().__init__(params)

    @classmethod
    def check_env_id(cls, env_id: str, field: str = "env_id") -> None:
        """Refuse an environment that is not one of :attr:`env_ids`.

        Args:
            env_id: Gymnasium id, with version.
            field: The dotted path it stands at, for errors.
        """
        if env_id not in cls.env_ids:
            expected = " or ".join(cls.env_ids) or "a class of one world"
            mend = f"take it from params/world/ ({cls.__name__} plays no other)"
            raise RefusedError(PARAMS, field, env_id, expected, mend)

    @property
    def discrete(self) -> bool:
        """Whether actions are whole numbers 0..A-1."""
        return isinstance(self.action_space, Discrete)

    @property
    def action_width(self) -> int:
        """A: numbers in an action, or of actions to choose from."""
        space = self.action_space
        return int(space.n if isinstance(space, Discrete) else space.shape[0])

    def make(self, num_envs: int) -> Batch:
        """A batch of sub-environments, to be reset before the first step."""
        return self.batch(self, num_envs)

    @property
    def real(self) -> "World":
        """Where policies are judged: this world, unless it is a simulated twin."""
        return self

    def env_spec(self) -> EnvSpec:
        """Gymnasium's recipe for one such environment, with this world's time limit."""
        spec = copy.deepcopy(gymnasium.spec(self.params.env_id))
        spec.max_episode_steps = self.params.max_steps
        return spec

    def recorded_in(self, folder: Path) -> Self:
        """This world as a dataset has it; most know their spaces themselves."""
        del folder
        return self

    def score(self, returns: Floats) -> Floats:
        """Returns normalised to 0 (random policy) .. 100 (best behaviour policy)."""
        low, high = self.params.ref_min, self.params.ref_max
        return 100.0 * (np.asarray(returns) - low) / (high - low)


def require(owner: World | Batch, capability: str) -> Any:
    """A capability of a world or batch, usually a method, by its name.

    Raises:
        RefusedError: If the owner has none of that name; names the worlds that have.
    """
    value = getattr(owner, capability, None)
    if value is None:
        from tasks.worlds.engine.capabilities import missing  # it reads all worlds

        world = owner.world if isinstance(owner, Batch) else owner
        raise missing(world.params.name, capability)
    return value
