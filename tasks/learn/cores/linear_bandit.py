"""LinUCB's ridge regression and confidence, which DynLin-UCB has too.

From the pairs (u, y) it is given, u an arm's vector and y a reward:

    V = lambda I + sum u u',  b = sum u y,  h = V^-1 b
    u = argmax <h, u> + beta_t ||u||_{V^-1},  the first one at random
    beta_t = c1 sqrt(lambda) + c2 / sqrt(lambda) log(e (t + 1))
             + sqrt(2 s (log(1 / delta) + d / 2 log(1 + t U^2 / (d lambda))))
    c1 = Theta + Omega Bn Phi / (1 - rho)
    c2 = U Omega Phi (U Bn / (1 - rho) + X)
    s = sigma^2 (1 + Omega^2 Phi^2 / (1 - rho^2)),  delta = 1 / T,  X = U / (1 - rho)

Omega, Theta, Bn, U bound the norms of omega, theta, B and the arms; rho and Phi bound
||A^t||_2 by Phi rho^t. As in the authors' experiments they are the world's own. So is
sigma^2, though the reward's noise is a sum of several channels'. lambda is stated in
units of log T, the authors' choice in their longer runs.

Shapes: S trials, K arms, d numbers of an arm.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import e, floor, log, sqrt
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.params import Params, Range
from tasks.learn.cores.bandits import Arms, Array, Bandit, best
from tasks.worlds import World, require


@dataclass(frozen=True)
class LinearParams(Params):
    """What learners of linear arms say.

    Attributes:
        ridge: lambda in units of the log of the horizon.
    """

    ridge: Annotated[float, Range(0, 1e6, open=True)]


@dataclass(frozen=True)
class Bounds:
    """What such a learner is told of the system."""

    rho: float
    phi: float
    omega: float
    theta: float
    control: float
    arm: float
    sigma: float

    @classmethod
    def of(cls, system: Any, rho: float | None = None) -> "Bounds":
        """The world's own; another rho where one is given."""
        norm = np.linalg.norm
        return cls(
            rho=system.rho if rho is None else rho,
            phi=system.phi,
            omega=float(norm(system.omega)),
            theta=float(norm(system.theta)),
            control=float(norm(system.B, 2)),
            arm=float(norm(system.arms, axis=1).max()),
            sigma=float(system.sigma),
        )

    @property
    def reward(self) -> float:
        """The largest steady-state reward there can be."""
        return (self.theta + self.omega * self.control / (1 - self.rho)) * self.arm


AnyParams = TypeVar("AnyParams", bound=LinearParams)


class LinearBandit(Bandit[AnyParams]):
    """Optimism about a linear reward.

    Attributes:
        settles: Whether c2 counts, which pays for states that have not settled.
    """

    settles: ClassVar[bool]
    needs = ("stream", "system")

    def __init__(self, params: AnyParams, world: World, seeds: Any, steps: int) -> None:
        super().__init__(params, world, seeds, steps)
        system = require(world, "system")
        self.vectors: Array = system.arms  # (K, d)
        self.bounds = self.told(system)
        trials, d = len(self.seeds), self.vectors.shape[1]
        self.ridge = params.ridge * log(steps)
        self.V = np.tile(self.ridge * np.eye(d), (trials, 1, 1))
        self.b = np.zeros((trials, d))

    def told(self, system: Any) -> Bounds:
        """What it is told of the world's system."""
        return Bounds.of(system)

    def beta(self, t: int) -> float:
        """Width of the confidence after t steps."""
        o, d = self.bounds, self.vectors.shape[1]
        stays = 1 - o.rho
        c1 = o.theta + o.omega * o.control * o.phi / stays
        c2 = o.arm * o.omega * o.phi * (o.arm * o.control / stays + o.arm / stays)
        s = o.sigma**2 * (1 + o.omega**2 * o.phi**2 / (1 - o.rho**2))
        spread = log(self.steps) + d / 2 * log(1 + t * o.arm**2 / (d * self.ridge))
        width = c1 * sqrt(self.ridge) + sqrt(2 * s * spread)
        if self.settles:
            width += c2 / sqrt(self.ridge) * log(e * (t + 1))
        return width

    def choose(self, step: int) -> Arms:
        """The arm of the highest bound; the first one at random."""
        if step == 0:
            return np.array([draw.integers(self.arms) for draw in self.draws])
        inverse = np.linalg.inv(self.V)
        widths = np.einsum("sde,kd,ke->sk", inverse, self.vectors, self.vectors)
        return best(self.estimates(inverse) + self.beta(step) * np.sqrt(widths))

    def see(self, arm: Arms, rewards: Array) -> None:
        """Learn from the last reward of a choice."""
        u = self.vectors[arm]
        self.V += u[:, :, None] * u[:, None, :]
        self.b += u * rewards[:, -1:]

    def values(self) -> Array:
        """<h, u> of every arm, (S, K)."""
        return self.estimates(np.linalg.inv(self.V))

    def estimates(self, inverse: NDArray[Any]) -> Array:
        """The same, of V's inverse."""
        h = np.einsum("sde,se->sd", inverse, self.b)
        means: Array = np.einsum("sd,kd->sk", h, self.vectors)
        return means


def epochs(rho: float) -> Iterator[int]:
    """Steps of DynLin-UCB's epochs, without end: 1 + floor(log m / log(1 / rho))."""
    for m in count(1):
        yield 1 + (floor(log(m) / log(1 / rho)) if rho > 1e-9 else 0)
