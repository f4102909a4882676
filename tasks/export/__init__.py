"""Export: a compressed policy becomes ONNX files, one a seed, behind the parity gate.

A method's file defines one :class:`Exporter`: which graphs a policy becomes.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from tasks.artifacts.params import Params

if TYPE_CHECKING:
    import onnx

    from tasks.nets.policy import Policy


class Exporter(ABC):
    """Turns slices of a policy into ONNX models.

    Args:
        params: The method's parameters.

    Attributes:
        tolerance: Parity, relative to max(1, |action|).
        rows: Dataset observations the parity gate compares on, at least 1000.
    """

    Parameters: ClassVar[type[Params]]
    tolerance: float
    rows: int

    @abstractmethod
    def model(self, policy: "Policy", k: int) -> "onnx.ModelProto":
        """The ONNX model of seed slice ``k``."""
