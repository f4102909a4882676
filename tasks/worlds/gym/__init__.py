"""Gym: any environment that Gymnasium finds, stepped one by one.

The block says the id, and ``kwargs`` for Gymnasium's ``make``, which are plain data. An
id is one that is registered: those of Gymnasium and of the packages in
:data:`KNOWN`. ``module:id`` is refused, as it makes Gymnasium import the module.

| of the environment | becomes |
|---|---|
| observation: Box, of any shape | its numbers, row by row |
| Discrete, MultiDiscrete, MultiBinary | one-hot, or bits, each |
| Dict, Tuple | the parts one after the other, keys sorted (``spaces.py``) |
| action: Box, of any shape | its numbers |
| Discrete that begins at n | whole numbers from 0 |

Sub-environments are as many environments, so that episodes are those of Gymnasium's own
loop to the last bit; only the live ones are stepped. Where Gymnasium vectorises an
environment itself, it resets what has ended within the same call, which would mix an
episode with the next.
"""

import copy
import importlib
import importlib.util
import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import FlattenObservation

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.nearest import nearest
from tasks.artifacts.params import PARAMS, Range
from tasks.worlds import Actions, Batch, Flags, Floats, World, WorldParams
from tasks.worlds.gym.blocks import EnvId, PlainKwargs
from tasks.worlds.gym.spaces import Acts, Observes

KNOWN = ("gymnasium_robotics",)  # packages that register ids once they are imported


@dataclass(frozen=True)
class GymParams(WorldParams):
    """Units and ranges stand in params/world/gym.yaml."""

    env_id: str  # see Gym.check_env_id, which names the nearest
    kwargs: Annotated[dict[str, Any], PlainKwargs()]
    step_seconds: Annotated[float, Range(0, 1e9, open=True)]


class GymBatch(Batch):
    """As many environments of Gymnasium as sub-environments."""

    world: "Gym"

    def __init__(self, world: "Gym", num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.rows = self.observation.copy()  # (N, O)
        self.envs = [world.single() for _ in range(num_envs)]

    def _reset_one(self, i: int, seed: int) -> None:
        observation, _ = self.envs[i].reset(seed=seed)
        self.rows[i] = self.world.observes.flat(observation)

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        rewards, terminated = np.zeros(self.num_envs), np.zeros(self.num_envs, bool)
        for i in map(int, np.flatnonzero(live)):
            action = self.world.acts.own(actions[i])
            seen, reward, terminated[i], self.cut[i], _ = self.envs[i].step(action)
            self.rows[i] = self.world.observes.flat(seen)
            rewards[i] = reward
        return rewards, terminated

    def _observe(self) -> Floats:
        return self.rows.copy()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments."""
        del kwargs
        for env in self.envs:
            env.close()


class Gym(World):
    """One environment of Gymnasium, by its id; the module says what it becomes.

    Attributes:
        observes: How an observation becomes numbers.
        acts: How numbers become an action.
    """

    Parameters = GymParams
    params: GymParams
    any_name = True
    batch = GymBatch

    def __init__(self, params: GymParams) -> None:
        super().__init__(params)
        env = self.single()
        where = f"world {params.name}, {params.env_id}"
        self.observes = Observes(env.observation_space, where)
        self.acts = Acts(env.action_space, where)
        env.close()
        self.observation_space = self.observes.space
        self.action_space = self.acts.space
        self.step_seconds = params.step_seconds

    @classmethod
    def check_env_id(cls, env_id: str, field: str = "env_id") -> None:
        """Refuse an id that is not registered, and one that names a module.

        Args:
            env_id: Gymnasium id, with version.
            field: The dotted path it stands at, for errors.
        """
        if env_id in EnvId() and env_id in gymnasium.registry:
            return  # without the second that other packages take
        known = registered()
        if env_id not in known:
            near = nearest(env_id, known)
            expected = "an id that Gymnasium knows, without a module before it"
            mend = f"did you mean {near}?" if near else "gymnasium.pprint_registry()"
            raise RefusedError(PARAMS, field, shown(env_id), expected, mend)

    def single(self) -> gymnasium.Env[Any, Any]:
        """One environment with Gymnasium's wrappers, its time limit included.

        Raises:
            RefusedError: If Gymnasium cannot make it of these kwargs.
        """
        p = self.params
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a newer version, a space's precision
            try:
                return gymnasium.make(
                    p.env_id,
                    max_episode_steps=p.max_steps,
                    disable_env_checker=True,
                    **copy.deepcopy(p.kwargs),
                )
            except Exception as error:  # any environment may fail in its own way
                reason = (str(error).splitlines() or [""])[0]
                raise RefusedError(
                    f"world {p.name}",
                    f"{p.env_id} with kwargs {shown(p.kwargs)}",
                    f"{type(error).__name__}: {reason:.200}",
                    "an environment that Gymnasium can make",
                    "change kwargs, or install what the environment needs",
                ) from None

    def env_spec(self) -> EnvSpec:
        """Gymnasium's recipe; it flattens what is no list of numbers, as we do.

        Discrete actions that do not begin at 0 are as the environment has them there.
        """
        env = self.single()
        if env.observation_space.shape != self.observation_space.shape:
            env = FlattenObservation(env)
        spec = env.spec
        env.close()
        if spec is None:
            raise RuntimeError("Gymnasium lost the environment's specification")
        return spec


def registered() -> list[str]:
    """Ids that Gymnasium can make, those of :data:`KNOWN` packages included."""
    for name in KNOWN:
        if importlib.util.find_spec(name):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gymnasium.register_envs(importlib.import_module(name))
    return [name for name in gymnasium.registry if name in EnvId()]
