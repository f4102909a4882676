"""The parameters that verdicts stand on.

They are in a file of their own because evaluations carry them (``evaluate.returns``): a
change of how verdicts are told apart must not play every episode again.
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.params import Params, Range


@dataclass(frozen=True)
class VerdictParams(Params):
    """How differences are judged.

    Attributes:
        margin: The loss that is tolerated, as a share of what the parent gains.
        confidence: Of intervals, e.g. 0.95.
        resamples: Of the bootstrap.
        resample_seed: Of the bootstrap's generator.
    """

    margin: Annotated[float, Range(0, 1, open=True)]
    confidence: Annotated[float, Range(0, 1, open=True)]
    resamples: Annotated[int, Range(100)]
    resample_seed: Annotated[int, Range(0)]
