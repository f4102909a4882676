"""Logged: a world that is known from recorded episodes alone and cannot be played.

Whoever brings logs of a machine, a plant or another project's simulator has no world.
Everything that reads rows works on them: training, compression, export, estimates. What
would have to play is refused by :meth:`Logged.make` in one line.

Spaces are those of the dataset: whoever records gives them to :meth:`Logged.of`, and
later stages take them from data/metadata.json beside the recorded block.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self

from gymnasium import Space
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.minari import actions, box
from tasks.artifacts.opening import METADATA
from tasks.artifacts.params import Range
from tasks.artifacts.recorded import maker_of
from tasks.worlds import World, WorldParams

NONE = "none"  # env_id of what is no environment of Gymnasium


@dataclass(frozen=True)
class LoggedParams(WorldParams):
    """Units and ranges stand in params/world/logged.yaml."""

    step_seconds: Annotated[float, Range(0, 1e9, open=True)]


class Logged(World):
    """Spaces, control step and references of logs; nothing to play in."""

    Parameters = LoggedParams
    env_ids = (NONE,)
    any_name = True
    playable = False

    def __init__(self, params: LoggedParams) -> None:
        super().__init__(params)
        self.step_seconds = params.step_seconds

    def of(self, observation: Space[Any], action: Box | Discrete) -> Self:
        """This world with the spaces of its logs."""
        self.observation_space, self.action_space = observation, action
        return self

    def recorded_in(self, folder: Path) -> Self:
        """This world with the spaces of a dataset.

        Args:
            folder: Of the dataset.

        Raises:
            RefusedError: If data/metadata.json is missing, or a space there is none.
        """
        file = folder / METADATA
        metadata = read_json(file, maker_of(folder), dict)
        space = box(file, metadata, "observation_space")
        return self.of(space, actions(file, metadata))

    def make(self, num_envs: int) -> NoReturn:
        """Refuse: there is nothing to play in.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(
            f"world {self.params.name}",
            "make",
            f"{num_envs} episodes to play in a world that is known from logs alone",
            "a world that can be played",
            "leave out what plays, or name a world of params/world/ with the import",
        )
