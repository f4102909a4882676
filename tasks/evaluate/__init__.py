"""Evaluate: the ONNX files of a variant act in the world, and their returns are kept.

A method's file defines one :class:`Evaluator`. It plays one file a training seed and
gives a table of episodes; all variants play the same start seeds, so two tables are
compared row by row (``tasks/statistics/verdict.py``).

``learning/`` is a command of its own: it plays the policies that training kept on the
way. Methods that need no world are those of the room ``estimate``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.method import Method, P

if TYPE_CHECKING:  # reading a table must not cost the import of a simulator
    from tasks.artifacts.onnx_policy import OnnxPolicy
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
