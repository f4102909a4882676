"""Named arrays in, named arrays out: judged by a metric and never by a return."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from tasks.nets.network import Network


@dataclass(frozen=True)
class Value:
    """An array that a predictor reads or gives, without the axes [S] and [B].

    Attributes:
        shape: Of one row; empty of one number.
        dtype: ``float32``, ``float64`` or ``int64``.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"


class Predictor(Network, ABC):
    """A stack of networks that read some arrays and give others.

    Normalisers and the like belong to it, as they do to a policy. Its ``step`` is a
    pure function of its inputs: it carries nothing.
    """

    @abstractmethod
    def inputs(self) -> dict[str, Value]:
        """What it reads, by name; ``step`` gets (S, B, *shape) of each."""

    @abstractmethod
    def outputs(self) -> dict[str, Value]:
        """What it gives, by name; the first is what a compressor is compared on."""

    def reading(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What it would read on rows of its dataset, by the names of :meth:`inputs`.

        There it is calibrated, and its file compared with it.

        Args:
            rows: The dataset's arrays, (N, ...) each.
        """
        return {name: rows[name] for name in self.inputs()}

    def solved(self) -> dict[str, object] | None:
        """How its file is driven where one call of it is no prediction; None as a rule.

        Whoever reads the file finds it in the contract, as ``solve``: an adaptive
        solver, say, calls the file as often as it needs.
        """
        return None
