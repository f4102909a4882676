"""The times at which a sampler calls its network, and the sums between them.

N steps pass N + 1 nodes t_0 > t_1 > ... > t_N, evenly spaced in what ``grid`` says.
With i = 0..N and v a time counted from the clean end, t + 1, or rho:

    t, rho:  v_i = (v_0^(1/power) + i/N (v_N^(1/power) - v_0^(1/power)))^power
    log:     ln rho_i = ln rho_0 + i/N (ln rho_N - ln rho_0)

Karras et al. 2022 (arXiv 2206.00364, equation 5) in rho; Zhang & Chen 2023, DEIS (arXiv
2204.13902) in t.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Params, Range
from tasks.export.cores.schedule import CLEAN, Floats, Schedule
from tasks.nets.sampling import Call, Sum

Step = Call | Sum


@dataclass(frozen=True)
class GridParams(Params):
    """The parameters of every sampler's grid; units stand in params/export/*.yaml."""

    grid: Annotated[str, OneOf(("t", "log", "rho"))]
    power: Annotated[float, Range(0, 20, open=True)]
    floor: Annotated[float, Range(0, 1, open=True)]
    end: Annotated[str, OneOf(("table", "clean"))]
    times: Annotated[str, OneOf(("whole", "any"))]
    clip: bool


@dataclass(frozen=True)
class Nodes:
    """The times t_0 > t_1 > ... > t_N a sampler passes, N its steps.

    Attributes:
        time: (N + 1,), in steps of the training schedule; -1 is clean.
        alpha: (N + 1,), a = sqrt(abar) at each.
        sigma: (N + 1,), s = sqrt(1 - abar) at each.
    """

    time: Floats
    alpha: Floats
    sigma: Floats

    @property
    def steps(self) -> int:
        """N."""
        return len(self.time) - 1

    @property
    def clean(self) -> bool:
        """Whether it ends without noise; then the last step is of first order."""
        return bool(self.sigma[-1] == 0)

    @property
    def rho(self) -> Floats:
        """Noise against data, s / a, (N + 1,)."""
        return self.sigma / self.alpha

    @property
    def lam(self) -> Floats:
        """Half the log of the signal-to-noise ratio, (N + 1,); infinite where clean."""
        with np.errstate(divide="ignore"):
            return np.log(self.alpha / self.sigma)

    def call(self, i: int, out: str, state: str, gives: str, clip: bool) -> Call:
        """A call of the network at node i.

        Args:
            i: Number of the node.
            out: Register of what the network says.
            state: Register of x.
            gives: ``data`` or ``noise``: what ``out`` shall hold.
            clip: Clip the data to [-1, 1].
        """
        at = float(self.time[i]), float(self.alpha[i]), float(self.sigma[i])
        return Call(out, state, *at, gives, clip)

    def state(self, i: int) -> str:
        """The register of x at node i."""
        return "noise0" if i == 0 else "action" if i == self.steps else f"x{i}"


def nodes_at(schedule: Schedule, times: Sequence[float] | Floats) -> Nodes:
    """Nodes at the times somebody chose.

    Raises:
        RefusedError: If there are fewer than two, they do not fall, or one lies outside
            the schedule: [0, K-1], and -1 as the last.
    """
    time = np.array(times, np.float64)
    inner = time[:-1] if len(time) and time[-1] == CLEAN else time
    inside = len(time) > 1 and np.all((inner >= 0) & (inner <= schedule.last))
    if not inside or np.any(np.diff(time) >= 0):
        raise RefusedError(
            PARAMS,
            "export.grid",
            [float(f"{t:.4g}") for t in time],
            f"times that fall from at most {schedule.last} to 0, or to -1 (clean)",
            "take fewer steps, another power, end: table or times: whole",
        )
    abar = schedule.abar(time)
    return Nodes(time, np.sqrt(abar), np.sqrt(1 - abar))


def make_nodes(schedule: Schedule, steps: int, params: GridParams) -> Nodes:
    """N + 1 nodes from the start to the end.

    With ``t`` times are counted from the clean end (t + 1) and raised to 1 / power;
    with ``rho`` rho is; ``log`` is uniform in ln rho. A grid of t reaches the end
    itself, also the clean one; the others reach time 0 and, if they end clean, have it
    as one more node.

    Args:
        schedule: Of the policy.
        steps: N, at least 1.
        params: Grid, start, end, and whether times must be whole.

    Raises:
        RefusedError: If N < 1, or the schedule has fewer whole times.
    """
    if steps < 1:
        raise _wrong_steps(steps, "at least 1")
    top, clean = float(schedule.start(params.floor)), params.end == "clean"
    if params.grid == "t":
        ends = top + 1, 0.0 if clean else 1.0
        time = _powers(*ends, steps, params.power) - 1
        time[0], time[-1] = top, CLEAN if clean else 0.0
        inner = time[:-1] if clean else time
    else:
        count = steps - 1 if clean else steps
        high, low = float(schedule.rho(top)), float(schedule.rho(0.0))
        rho = (
            np.geomspace(high, low, count + 1)
            if params.grid == "log"
            else _powers(high, low, count, params.power)
        )
        inner = schedule.time(rho)
        inner[0] = top  # to the bit
        if count:
            inner[-1] = 0.0
    if params.times == "whole":
        inner = _whole(inner, int(top))
    return nodes_at(schedule, [*inner, CLEAN] if clean else inner)


def _powers(high: float, low: float, steps: int, power: float) -> Floats:
    """``steps`` + 1 numbers from high to low, evenly spaced in number^(1 / power)."""
    share = np.linspace(0, 1, steps + 1)
    ends = high ** (1 / power), low ** (1 / power)
    return (ends[0] + share * (ends[1] - ends[0])) ** power


def _whole(times: Floats, top: int) -> Floats:
    """Times rounded to different whole numbers, falling.

    Args:
        times: Falling.
        top: The noisiest whole time allowed.

    Returns:
        As many times; where two fall together, free ones from the clean end fill up.

    Raises:
        RefusedError: If there are fewer whole times than that.
    """
    kept = {int(t) for t in np.clip(np.rint(times), 0, top)}
    free = [t for t in range(top + 1) if t not in kept]
    lacking = len(times) - len(kept)
    if lacking > len(free):
        raise _wrong_steps(
            len(times), f"at most {top + 1}, the whole times up to the start"
        )
    return np.array(sorted(kept.union(free[:lacking]), reverse=True), np.float64)


def _wrong_steps(steps: int, expected: str) -> RefusedError:
    """The refusal of a number of steps."""
    return RefusedError(
        PARAMS, "study.sampled.steps", steps, expected, "change study.sampled.steps"
    )


def check_order(steps: int, order: int) -> None:
    """Refuse fewer steps than a method's order.

    Args:
        steps: Of the plan, N.
        order: Of the method.

    Raises:
        RefusedError: If N is less than the order.
    """
    if steps < order:
        raise _wrong_steps(steps, f"at least {order}, the order of the sampler")


def summed(out: str, *terms: tuple[str, float]) -> Sum:
    """A sum in which a register may be named several times.

    Args:
        out: Register of the result.
        terms: (register, weight) each; weights of the same register are added.

    Raises:
        RefusedError: If a weight is not finite.
    """
    weights: dict[str, float] = {}
    for name, weight in terms:
        weights[name] = weights.get(name, 0.0) + weight
    plain = {name: float(weight) for name, weight in weights.items()}
    if not all(map(math.isfinite, plain.values())):
        raise RefusedError(
            PARAMS,
            "export.grid",
            f"the weights {list(plain.values())}",
            "finite numbers",
            "raise the floor, or take nodes that lie further apart",
        )
    return Sum(out, tuple(plain.items()))
