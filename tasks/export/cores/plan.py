"""Where a sampler calls its network, and what its sums are made of; see schedule.py.

Grids: power of t and rho (Karras et al. 2022, arXiv 2206.00364, equation 5; DEIS, Zhang
& Chen 2023, arXiv 2204.13902), uniform in ln rho.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Params, Range
from tasks.export.cores.schedule import CLEAN, Floats, Schedule
from tasks.nets.sampling import Call, Plan, Sum

Step = Call | Sum


@dataclass(frozen=True)
class GridParams(Params):
    """What every sampler has beside its own; see params/export/ddim.yaml."""

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
        time: (N + 1,).
        alpha: (N + 1,).
        sigma: (N + 1,).
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
        """(N + 1,)."""
        return self.sigma / self.alpha

    @property
    def lam(self) -> Floats:
        """(N + 1,); infinite where clean."""
        with np.errstate(divide="ignore"):
            return np.log(self.alpha / self.sigma)

    def call(self, i: int, out: str, state: str, gives: str, clip: bool) -> Call:
        """A call at node i."""
        at = float(self.time[i]), float(self.alpha[i]), float(self.sigma[i])
        return Call(out, state, *at, gives, clip)

    def state(self, i: int) -> str:
        """The register of x at node i."""
        return "noise0" if i == 0 else "action" if i == self.steps else f"x{i}"


def nodes_at(schedule: Schedule, times: Sequence[float] | Floats) -> Nodes:
    """Nodes at given times.

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
        raise _steps(steps, "at least 1")
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
    """One number more than steps, evenly spaced where they are raised to 1 / power."""
    share = np.linspace(0, 1, steps + 1)
    ends = high ** (1 / power), low ** (1 / power)
    return (ends[0] + share * (ends[1] - ends[0])) ** power


def _whole(times: Floats, top: int) -> Floats:
    """As many different whole times of 0..top, falling; the cleanest fill up.

    Raises:
        RefusedError: If there are not so many.
    """
    kept = {int(t) for t in np.clip(np.rint(times), 0, top)}
    free = [t for t in range(top + 1) if t not in kept]
    lacking = len(times) - len(kept)
    if lacking > len(free):
        raise _steps(len(times), f"at most {top + 1}, the whole times up to the start")
    return np.array(sorted(kept.union(free[:lacking]), reverse=True), np.float64)


def _steps(found: int, expected: str) -> RefusedError:
    return RefusedError(
        PARAMS, "study.sampled.steps", found, expected, "change study.sampled.steps"
    )


def check_order(steps: int, order: int) -> None:
    """Refuse fewer steps than a method's order.

    Raises:
        RefusedError: If so.
    """
    if steps < order:
        raise _steps(steps, f"at least {order}, the order of the sampler")


def summed(out: str, *terms: tuple[str, float]) -> Sum:
    """A sum in which a register may be named several times.

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


def ddim(nodes: Nodes, name: str, eta: float = 0.0, clip: bool = False) -> Plan:
    """DDIM (Song, Meng, Ermon 2021, arXiv 2010.02502, equation 12).

    x' = a' data + sqrt(s'^2 - v^2) noise + v z, v = eta s'/s sqrt(1 - abar/abar').
    eta 0 has no chance but the first noise; eta 1 is DDPM's ancestral sampling.

    Args:
        nodes: Where.
        name: Of the plan.
        eta: Share of the ancestral deviation, 0..1.
        clip: Clip the data at every call.
    """
    steps: list[Step] = []
    noises = 1
    for i in range(nodes.steps):
        a, s = nodes.alpha[i], nodes.sigma[i]
        a_next, s_next = nodes.alpha[i + 1], nodes.sigma[i + 1]
        fresh = eta * s_next / s * math.sqrt(1 - (a / a_next) ** 2)
        kept = math.sqrt(s_next**2 - fresh**2)
        x, data = nodes.state(i), f"data{i}"
        steps.append(nodes.call(i, data, x, "data", clip))
        terms = [(data, a_next - kept * a / s), (x, kept / s)]
        if fresh:
            terms.append((f"noise{noises}", fresh))
            noises += 1
        steps.append(summed(nodes.state(i + 1), *terms))
    return Plan(name, tuple(steps), noises)
