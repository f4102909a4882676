"""Export: a compressed policy becomes ONNX files, one a seed, behind the parity gate.

A method's file defines one :class:`Exporter`, which graphs a policy becomes, or one
:class:`Sampler`, by which plan a diffusion policy samples before it becomes one.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tasks.artifacts.method import Method, P
from tasks.export.cores.schedule import Schedule

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

    from tasks.nets.diffusion import DiffusionPolicy
    from tasks.nets.policy import Policy
    from tasks.nets.sampling import Plan


class Exporter(Method[P], ABC):
    """Turns slices of a policy into ONNX models."""

    @property
    @abstractmethod
    def tolerance(self) -> float:
        """Parity: largest difference allowed, relative to max(1, |action|)."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Dataset observations the parity gate compares on, at least 1000."""

    @abstractmethod
    def model(self, policy: "Policy", k: int) -> "onnx.ModelProto":
        """The ONNX model of seed slice ``k``."""


class Sampler(Method[P], ABC):
    """Makes the plan by which a diffusion policy turns noise into an action."""

    @abstractmethod
    def plan(self, schedule: Schedule, calls: int) -> "Plan":
        """A plan of exactly ``calls`` network calls.

        Args:
            schedule: Of the policy's noise.
            calls: Network calls (NFE).

        Raises:
            RefusedError: If there is no such plan.
        """

    def fitted(
        self, policy: "DiffusionPolicy", calls: int, rows: "Tensor"
    ) -> tuple["Plan", dict[str, Any]]:
        """A plan for one policy, and what a search found for it.

        Args:
            policy: Of one seed.
            calls: Network calls (NFE).
            rows: (N, O), observations of the dataset, units of the world.

        Returns:
            The plan, and what is kept beside the file; nothing by default.
        """
        del rows
        return self.plan(Schedule.of(policy.abar), calls), {}
