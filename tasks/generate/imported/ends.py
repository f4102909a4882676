"""The end of an episode, out of flags that are stored step by step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError


def ended(
    terminations: NDArray[Any], truncations: NDArray[Any], source: object, where: str
) -> tuple[bool, bool]:
    """Whether the task ended, and whether time ran out.

    Args:
        terminations: (T,) or (T, 1).
        truncations: Likewise.
        source: For errors.
        where: What the source calls the episode.

    Raises:
        RefusedError: If a flag is set before the last step.
    """
    flags = [np.asarray(f).ravel() != 0 for f in (terminations, truncations)]
    for name, values in zip(("terminations", "truncations"), flags, strict=True):
        if values[:-1].any():
            step = int(np.flatnonzero(values)[0])
            raise RefusedError(
                source,
                f"{where}, step {step}, {name}",
                f"an end flag before the last step, {len(values) - 1}",
                "flags at the last step only",
                "split the episode there and write the source again",
            )
    last, out = (bool(values[-1:].any()) for values in flags)
    return last, out
