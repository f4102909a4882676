"""How likely an action was: the densities behaviours and estimators share.

Actions are scaled to [-1, 1] here. Near the bounds float32 tells squashed actions no
longer apart, and clipping piles actions up at the bounds themselves. So whatever lies
beyond +-LIMIT is one event, with the probability of the whole tail; inside there is a
density. Every distribution here does this alike, so the quotient of two of them at a
logged action is a proper importance ratio, also of a clipped against a squashed one.

Shapes: any leading axes, then A actions.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tasks.artifacts.onnx_policy import OnnxPolicy

Doubles = NDArray[np.float64]

# inside a gaussian head's graph: action = tanh(mean + exp(log_std_clipped) * noise)
HEAD = ("mean", "log_std_clipped")
LIMIT = 1 - 2.0**-14  # tanh(5.2); float32 still resolves 1 in 1000 of the rest
ASYMPTOTIC = 10.0  # deviations; from here on a series is exact to 1e-6


def scaled(action: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> Doubles:
    """Actions (..., A) in units of the world, scaled so that bounds become +-1."""
    low, high = low.astype(np.float64), high.astype(np.float64)
    half = np.where(high > low, (high - low) / 2, 1.0)  # a locked action is always 0
    return (action.astype(np.float64) - (high + low) / 2) / half


def log_tail(x: Doubles) -> Doubles:
    """Log of the probability that a standard normal exceeds x, any x; same shape.

    scipy.special has it too, and takes half a second to import.
    """
    near = np.array([math.erfc(v / math.sqrt(2)) / 2 for v in x.ravel().tolist()])
    far = np.maximum(x, ASYMPTOTIC)
    series = 1 - far**-2 + 3 * far**-4 - 15 * far**-6
    tail = -(far**2) / 2 - np.log(far * math.sqrt(2 * math.pi)) + np.log(series)
    inner = np.log(np.maximum(near.reshape(x.shape), np.finfo(np.float64).tiny))
    return np.where(x > ASYMPTOTIC, tail, inner)


@dataclass(frozen=True)
class Gaussian:
    """Independent normals, squashed by tanh or clipped to [-1, 1].

    Attributes:
        mean: (..., A), before squashing or clipping.
        std: (..., A), >= 0; 0 is a deterministic action, which has no density.
        squashed: tanh; else clipped.
    """

    mean: Doubles
    std: Doubles
    squashed: bool

    def sample(self, noise: NDArray[Any]) -> Doubles:
        """Actions (..., A) in [-1, 1] for standard normal noise (..., A)."""
        x = self.mean + self.std * noise
        return np.tanh(x) if self.squashed else np.clip(x, -1, 1)

    def log_prob(self, action: Doubles) -> Doubles:
        """Log density (...) of actions (..., A) in [-1, 1]; std must be positive.

        Inside the bounds Σ log N(atanh a) - log(1 - a²) of squashed actions (Haarnoja
        et al. 2018, appendix C), Σ log N(a) of clipped ones; at the bounds the log of
        the tail's probability.
        """
        inside = np.abs(action) < LIMIT
        cut = np.clip(action, -LIMIT, LIMIT)
        x = np.arctanh(cut) if self.squashed else cut
        z = (x - self.mean) / self.std
        density = -0.5 * z**2 - np.log(self.std) - 0.5 * math.log(2 * math.pi)
        if self.squashed:
            density = density - np.log1p(-(cut**2))
        if not inside.all():
            density[~inside] = log_tail(z[~inside] * np.sign(action[~inside]))
        return np.asarray(density.sum(-1))


def uniform_log_prob(action: Doubles) -> Doubles:
    """Log density (...) of actions (..., A) drawn evenly from [-1, 1]."""
    tail = math.log((1 - LIMIT) / 2)
    inside = np.abs(action) < LIMIT
    return np.asarray(np.where(inside, -math.log(2), tail).sum(-1))


def distribution(
    policy: "OnnxPolicy", observation: NDArray[Any], noise: float
) -> Gaussian:
    """What a policy without memory samples from, with its noise times a scale.

    A gaussian head (a policy opened with ``distribution=True``) has its own noise. Any
    other gets Gaussian noise on the action, ``noise`` being its deviation in halves of
    the action's range, and the result is clipped to the bounds.

    Args:
        policy: It must carry nothing.
        observation: (N, O).
        noise: >= 0; with 0 the deterministic action.

    Returns:
        The distribution of N actions, (N, A).
    """
    outputs = policy.step({"observation": observation}, {})[0]
    if policy.has_head:
        mean, log_std = (outputs[name].astype(np.float64) for name in HEAD)
        return Gaussian(mean, noise * np.exp(log_std), squashed=True)
    bounds = policy.contract["outputs"]["action"]
    low, high = np.array(bounds["low"]), np.array(bounds["high"])
    mean = scaled(outputs["action"], low, high)
    return Gaussian(mean, np.full_like(mean, noise), squashed=False)
