"""Export: a compressed policy becomes ONNX files, one a seed, behind the parity gate.

A method's file defines one :class:`Exporter`, which graphs a policy becomes, or one
:class:`Sampler`, by which plan a diffusion policy samples before it becomes one.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from tasks.artifacts.params import Params

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

    from tasks.export.cores.schedule import Schedule
    from tasks.nets.diffusion import DiffusionPolicy
    from tasks.nets.policy import Policy
    from tasks.nets.sampling import Plan


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


class Sampler(ABC):
    """Makes the plan by which a diffusion policy turns noise into an action.

    Args:
        params: The method's parameters, the grid's among them.
    """

    Parameters: ClassVar[type[Params]]

    def __init__(self, params: Params) -> None:
        self.params: Any = params

    @abstractmethod
    def plan(self, schedule: "Schedule", calls: int) -> "Plan":
        """A plan of exactly ``calls`` network calls.

        Args:
            schedule: Of the policy's noise.
            calls: NFE.

        Raises:
            RefusedError: If there is no such plan.
        """

    def fitted(
        self, policy: "DiffusionPolicy", calls: int, rows: "Tensor"
    ) -> tuple["Plan", dict[str, Any]]:
        """A plan for one policy, and what was found out for it.

        Args:
            policy: Of one seed.
            calls: NFE.
            rows: (N, O), observations of the dataset, units of the world.

        Returns:
            The plan, and what is kept beside the file; nothing by default.
        """
        del rows
        from tasks.export.cores.schedule import Schedule

        return self.plan(Schedule.of(policy.abar), calls), {}
