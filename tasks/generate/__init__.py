"""Generate: a world and behaviour policies become a dataset, or another dataset does.

A method's file defines one :class:`Generator`, which makes episodes, one
:class:`Corruption`, which makes a dataset out of another, or one :class:`ArrayMaker`,
which needs no world and makes named arrays for predictors.

Which episodes a generator makes is a pure function of its parameters. An episode's
start seed and its noise depend on the seed, the part and the episode's own number
alone. So neither the number of sub-environments in flight nor the order in which
episodes end changes a result, but for float rounding inside the behaviour network,
whose batch they share.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts.episodes import Episode
from tasks.artifacts.method import Method, P
from tasks.worlds.engine.behaviors import BEHAVIORS

if TYPE_CHECKING:
    from gymnasium.spaces import Box, Discrete

    from tasks.artifacts.arrays import Arrays
    from tasks.artifacts.checkpoint import Checkpoint
    from tasks.generate.corrupt.attack import Attacker
    from tasks.worlds import World

# called now and then with the share of the work done, 0..1, and words on where it is
Progress = Callable[[float, str], None]


class Generator(Method[P], ABC):
    """One way of making experience.

    Args:
        params: Its block of ``params/generate/``, checked.
        behaviors: Folder of behaviour policies, ``<world>/<name>.onnx`` inside.

    Attributes:
        figures: What :meth:`episodes` adds to the dataset's card; empty by default.
        checkpoint: Where long work is kept meanwhile; removed once the dataset is
            written.
    """

    def __init__(self, params: P, behaviors: Path = BEHAVIORS) -> None:
        super().__init__(params)
        self.behaviors = behaviors
        self.figures: dict[str, Any] = {}
        self.checkpoint: Checkpoint | None = None

    @abstractmethod
    def episodes(self, world: "World", progress: Progress) -> list[Episode]:
        """Make the episodes, in the order of their numbers.

        Args:
            world: Where.
            progress: Called as the work goes on.

        Raises:
            RefusedError: If a behaviour policy is missing or does not fit the world, or
                the world cannot do what the method needs.
        """

    def leave(self, folder: Path) -> None:  # most have nothing
        """Put further files into the dataset's folder, after :meth:`episodes`.

        Args:
            folder: The dataset's, still under a temporary name.
        """


class Corruption(Method[P], ABC):
    """One way of making a dataset out of another."""

    @abstractmethod
    def open_attacker(self, folder: Path, dataset_sha256: str) -> "Attacker":
        """Load the trained agent that an attack asks.

        Args:
            folder: With its policy and critics.
            dataset_sha256: Of the dataset to corrupt, which it must have learned from.

        Raises:
            RefusedError: If there are no critics, or they learned from other data.
        """

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
            attacker: The trained agent an attack asks; None of a block ``corruption``.
            progress: Called as the work goes on.

        Returns:
            The episodes as they were played, with the corrupted fields among their
            infos (``tasks.artifacts.readings`` says how), and what the card says of
            the corruption: at least ``field``, ``mode``, ``rate``.
        """


class ArrayMaker(Method[P], ABC):
    """One way of making a dataset of named arrays.

    Attributes:
        description: In words, what it holds, for the card.
    """

    description: str

    @abstractmethod
    def arrays(self) -> "Arrays":
        """Make the arrays and their splits; a pure function of the parameters."""
