"""Evaluate: how good the ONNX files of a variant are, by what they are.

A policy acts in the world, and its returns are kept: the method's file defines one
:class:`Evaluator`. It plays one file a training seed and gives a table of episodes; all
variants play the same start seeds, so two tables are compared row by row
(``tasks/statistics/verdict.py``).

A predictor is asked about rows of its dataset that it did not learn from: the method's
file defines one :class:`Metric`, which gives a number a row, image or sequence.

``learning/`` is a command of its own: it plays the policies that training kept on the
way. Methods that need no world are those of the room ``estimate``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.method import Method, P
from tasks.artifacts.params import OneOf, Params, Range

if TYPE_CHECKING:  # reading a table must not cost the import of a simulator
    from tasks.artifacts.onnx_policy import OnnxPolicy
    from tasks.artifacts.onnx_predictor import OnnxPredictor
    from tasks.worlds import World

STARTS = 2**20  # start seeds of evaluations lie below it, those of training do not
# training seed, steps done, returns of the episodes that have ended, how many still run
Tell = Callable[[int, int, NDArray[np.float64], int], None]


class Evaluator(Method[P], ABC):
    """One way to find out how good the files of a variant are.

    Args:
        params: The method's parameters.
    """

    @abstractmethod
    def run(
        self, world: "World", policies: "Mapping[int, OnnxPolicy]", tell: Tell
    ) -> Episodes:
        """Play all policies.

        Args:
            world: Where they act.
            policies: One a training seed.
            tell: Called now and then with the progress.

        Returns:
            As many episodes of each policy, in the order of the training seeds.
        """

    @abstractmethod
    def summary(self, world: "World", episodes: Episodes) -> dict[str, Any]:
        """The figures of ``metrics.json`` that come from the table.

        Args:
            world: Where the policies acted; it turns returns into scores.
            episodes: All of them.
        """


@dataclass(frozen=True)
class MetricParams(Params):
    """Base of the parameters of every metric.

    Attributes:
        split: Of the dataset; as a rule ``test``, of which no learner sees anything.
        mode: Of onnxruntime: ``exact`` (float arithmetic), ``native`` (integer
            kernels), or ``auto``: what the file's contract says.
        confidence: Of the interval, e.g. 0.95.
        resamples: Of the bootstrap over replicates that a single seed gets.
        resample_seed: Of its generator.
    """

    split: str
    mode: Annotated[str, OneOf(("auto", "exact", "native"))]
    confidence: Annotated[float, Range(0, 1, open=True)]
    resamples: Annotated[int, Range(100, 10**6)]
    resample_seed: Annotated[int, Range(0, 2**31 - 1)]


class Metric(Method[P], ABC):
    """One way to find out how good the answers of a predictor are, or what they cost.

    Attributes:
        unit: Of a value, as a reader writes it behind the number.
        replicate: What has a value of its own; empty for what the dataset's arrays
            have one of each: a row, an image, a sequence.
        better: ``higher`` or ``lower``.
        reads: Arrays of the dataset that it needs beside the predictor's own inputs.
    """

    unit: ClassVar[str]
    better: ClassVar[str]
    replicate: ClassVar[str] = ""
    reads: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def values(
        self, predictor: "OnnxPredictor", rows: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.float64]:
        """The metric on each replicate, (R,), the same R for each file.

        Args:
            predictor: The file; it is called as often as the metric needs.
            rows: The dataset's arrays in the split, (N, ...) each.

        Raises:
            RefusedError: If the predictor gives nothing that the metric can judge.
        """
