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

    def answer(self, rows: Mapping[str, Tensor]) -> Tensor:
        """Its prediction for rows of its dataset, (S, N, ...): the first output.

        Args:
            rows: The dataset's arrays, (N, ...) each.
        """
        read = self.reading(rows)
        inputs = {n: x.expand(self.seeds, *x.shape) for n, x in read.items()}
        return self.step(inputs, {})[0][next(iter(self.outputs()))]

    def told(self) -> dict[str, object]:
        """What else its contract says; nothing as a rule.

        | key | of |
        |---|---|
        | ``solve`` | a file that one call of is no prediction: how it is driven |
        | ``evaluations`` | a file that evaluates its field several times a call |
        """
        return {}
