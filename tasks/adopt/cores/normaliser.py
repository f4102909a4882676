"""Statistics of observations that lie beside a policy, as an npz file of numbers.

Stable-Baselines3 keeps them as a pickle, ``vecnormalize.pkl``, which is never opened.
Who has it writes, with Stable-Baselines3:

    np.savez("norm.npz", mean=v.obs_rms.mean, var=v.obs_rms.var,
             eps=v.epsilon, clip=v.clip_obs)

and the policy sees clip((o - mean) / sqrt(var + eps), -clip, clip).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.npz import read_npz

Doubles = NDArray[np.float64]

FILE = "norm.npz"
KEYS = ("mean", "var", "eps", "clip")
MEND = (
    'write it with: np.savez("norm.npz", mean=v.obs_rms.mean, var=v.obs_rms.var, '
    "eps=v.epsilon, clip=v.clip_obs)"
)


@dataclass(frozen=True)
class Normaliser:
    """What is done to an observation before the first layer.

    Attributes:
        mean: (O,), units of the world.
        std: (O,), likewise, positive.
        limit: What the result is clipped to, above 0; None: it is not.
    """

    mean: Doubles
    std: Doubles
    limit: float | None = None

    @classmethod
    def none(cls, width: int) -> Self:
        """The one that changes nothing; ``width`` is O."""
        return cls(np.zeros(width), np.ones(width))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an npz file.

        Raises:
            RefusedError: If it is none, an array is missing or of another kind, or a
                number is not finite or no deviation.
        """
        arrays = read_npz(path, MEND)
        for key in KEYS:
            if key not in arrays:
                found = ", ".join(arrays) or "nothing"
                raise RefusedError(path, key, f"only {found:.80}", "an array", MEND)
        mean, var = (arrays[key].astype(np.float64).reshape(-1) for key in KEYS[:2])
        eps, clip = (arrays[key].astype(np.float64).reshape(-1) for key in KEYS[2:])
        if len(mean) != len(var) or len(eps) != 1 or len(clip) != 1:
            shapes = ", ".join(f"{key} {arrays[key].shape}" for key in KEYS)
            expected = "mean and var of one length, eps and clip one number each"
            raise RefusedError(path, "shapes", shapes, expected, MEND)
        if not (np.isfinite(mean).all() and np.isfinite(var).all()):
            found = "a number that is not finite"
            raise RefusedError(path, "mean, var", found, "finite numbers", MEND)
        if not (var + eps > 0).all() or not (var >= 0).all():
            found = f"{float(var.min()):g} at the smallest"
            raise RefusedError(path, "var", found, "variances, 0 or more", MEND)
        if not clip[0] > 0:
            raise RefusedError(path, "clip", clip[0], "a number above 0", MEND)
        limit = None if np.isinf(clip[0]) else float(clip[0])
        return cls(mean, np.sqrt(var + eps), limit)
