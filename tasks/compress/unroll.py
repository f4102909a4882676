"""An ODE's flow in a fixed number of steps: one graph in place of a solver.

The number of steps is the smallest at which, on the calibration rows and every seed,

    rms(logits - logits of the adaptive solver) <= error rms(logits of the solver)

A network that its solver finds easy needs fewer steps, and so a smaller and faster
file; its weights stay float32. Steps are those of ``tasks/nets/ode_unrolled.py``.
"""

import copy
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import Range
from tasks.compress import CalibratedParams, Compressor, Result
from tasks.compress.cores.rows import Rows, arrays_of
from tasks.nets.ode import OdeClassifier
from tasks.nets.ode_unrolled import UnrolledClassifier


@dataclass(frozen=True)
class UnrollParams(CalibratedParams):
    """Parameters of ``unroll``; units stand in params/compress/unroll.yaml."""

    error: Annotated[float, Range(0, 1, open=True)]
    most: Annotated[int, Range(1, 1000)]


class Unroll(Compressor[UnrollParams]):
    """The fewest steps that err by no more than was asked for."""

    policies = (OdeClassifier,)
    shrinks = False  # no weight is touched: what shrinks is the work

    def work(self, policy: OdeClassifier, rows: Rows) -> Result:
        """Try 1, 2, 3 ... steps.

        Raises:
            RefusedError: If even the most steps err by more.
        """
        exact = policy.answer(arrays := arrays_of(rows))
        layers = list(copy.deepcopy(policy.layers))
        error = np.inf
        for steps in range(1, self.params.most + 1):
            small = UnrolledClassifier(layers, policy.end, steps)
            apart = small.answer(arrays) - exact
            error = float((_rms(apart) / _rms(exact)).max())
            if error <= self.params.error:
                said = f"steps until logits err by {error:.2g}: {steps}"
                return Result(small, said)
        found = f"{error:.2g} after {self.params.most} steps"
        mend = "raise compress.unroll.error or compress.unroll.most"
        expected = f"at most {self.params.error:g}"
        raise RefusedError("policy.json", "error of the logits", found, expected, mend)


def _rms(x: Tensor) -> Tensor:
    """Root mean square of each seed, (S,)."""
    return x.square().mean((1, 2)).sqrt()
