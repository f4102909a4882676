"""Adopt: a policy that was trained elsewhere becomes one of this project.

A method's file defines one :class:`Adoption`, which reads a kind of file and says what
its network is (``cores/network.py``). What was read is compared with the spaces of the
dataset, so nothing a foreign file says of the world is believed. From then on it is a
policy like any other, of one seed, that says of itself that it was not made here.

The files lie in ``data/sources/<NAME>/``, where ``make adopt`` puts them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from tasks.artifacts.method import Method, P
from tasks.artifacts.names import NameRule
from tasks.artifacts.params import Params

if TYPE_CHECKING:
    from tasks.adopt.cores.network import Network
    from tasks.adopt.cores.spaces import Spaces


@dataclass(frozen=True)
class AdoptParams(Params):
    """What every block ``adopted`` says.

    Attributes:
        method: How the file is read, a method of this room.
        dataset: Whose rows the policy is calibrated and compared on.
    """

    method: Annotated[str, NameRule()]
    dataset: Annotated[str, NameRule()]


class Adoption(Method[P], ABC):
    """One way of reading a policy.

    Attributes:
        file: Name of the copy of what the user brought, below the source's folder.
    """

    file: ClassVar[str]

    @abstractmethod
    def read(self, folder: Path, spaces: "Spaces") -> "Network":
        """Read the network.

        Args:
            folder: The source's.
            spaces: Of the world it acts in.

        Raises:
            RefusedError: If the file is no policy of this kind, or of other spaces.
        """
