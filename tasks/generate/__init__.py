"""Generate: a world and behaviour policies become a dataset, or another dataset does.

A method's file defines one :class:`Generator`. Which episodes there are is a pure
function of its parameters: an episode's start seed and its noise depend on the seed,
the part and the episode's own number alone, so neither the number of sub-environments
in flight nor the order in which episodes end changes a result (but for float rounding
inside the behaviour network, whose batch they share). A :class:`Corruption` makes a
dataset out of another.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import Params

if TYPE_CHECKING:
    from gymnasium.spaces import Box, Discrete

    from tasks.artifacts.checkpoint import Checkpoint
    from tasks.generate.corrupt.attack import Attacker
    from tasks.worlds import World

BEHAVIORS = Path("data/behaviors")

# called now and then with the share of the work done, 0..1, and words on where it is
Progress = Callable[[float, str], None]


class Generator(ABC):
    """One way of making experience.

    Args:
        params: Its block of ``params/generate/``.
        behaviors: Folder of behaviour policies, ``<world>/<name>.onnx`` inside.

    Attributes:
        figures: What :meth:`episodes` adds to the dataset's card; empty by default.
        checkpoint: Where long work is kept meanwhile; removed with the dataset written.
    """

    Parameters: ClassVar[type[Params]]

    def __init__(self, params: Params, behaviors: Path = BEHAVIORS) -> None:
        self.params, self.behaviors = params, behaviors
        self.figures: dict[str, Any] = {}
        self.checkpoint: Checkpoint | None = None

    @abstractmethod
    def episodes(self, world: "World", progress: Progress) -> list[Episode]:
        """Make the episodes, in the order of their numbers.

        Args:
            world: Where.
            progress: Called as the work goes on.

        Raises:
            RefusedError: If a behaviour policy is missing or does not fit the world.
        """

    def leave(self, folder: Path) -> None:  # noqa: B027  # most have nothing
        """Put further files into the dataset's folder, after :meth:`episodes`."""


class Corruption(ABC):
    """One way of making a dataset out of another.

    Args:
        params: Its block of ``params/generate/``.
    """

    Parameters: ClassVar[type[Params]]

    def __init__(self, params: Params) -> None:
        self.params = params

    @abstractmethod
    def corrupt(
        self,
        played: Sequence[Episode],
        space: "Box | Discrete",
        attacker: "Attacker | None",
        progress: Progress,
    ) -> tuple[list[Episode], dict[str, Any]]:
        """Make the episodes, as many as there are.

        Args:
            played: Of the source.
            space: Of their actions.
            attacker: Whom an attack asks; None of a block ``corruption``.
            progress: Called as the work goes on.

        Returns:
            The episodes, with what is read of them among their infos (see
            ``tasks.artifacts.readings``), and what the card says of it: at least
            ``field``, ``mode``, ``rate``.
        """
