"""DEIS: Zhang & Chen 2023 (arXiv 2204.13902), exponential integrators of the noise.

The probability-flow equation dx/dt = f x + g^2 / (2 s) eps(x, t), f = 1/2 d ln abar/dt,
g^2 = -d ln abar/dt, has a linear part that is solved exactly, Psi(t', t) = a' / a; eps
is extrapolated from past calls e_i, and its weights are integrals over the step, taken
once (with rho = s / a, Psi g^2 / (2 s) dt = a' d rho):

| family | x' |
|---|---|
| ``tab`` | Psi x + sum_j C_j e_{i-j}, C_j = a' int L_j(t) d rho(t), L_j Lagrange in t |
| ``rhoab`` | the same with L_j in rho: v = x / a, dv / d rho = eps |
| ``rhork`` | an explicit Runge-Kutta scheme on (v, rho) |
| ``ipndm`` | Psi x + (s' - Psi s) e, e of Adams-Bashforth with constant weights |
| ``euler`` | control: x + (t' - t) (f x + g^2 / (2 s) e) |
| ``score_ei`` | control: Psi x + (1 - Psi) / s e, the score -eps/s held over the step |

Order 0 of ``tab`` is DDIM. The first r steps have the orders 0, 1, ..., r - 1. Where
the grid ends clean the last step is of order 0, as of every sampler here, and in
``rhork`` one call; the controls go there by their own formula. Stages of ``rhork``
between nodes call the network at fractional times, whatever ``times`` says.
f and g^2 of a table are central differences of ln abar (second order at its ends).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Range
from tasks.export import Sampler
from tasks.export.cores.schedule import CLEAN, Floats, Schedule
from tasks.export.cores.time_grid import GridParams, Nodes, Step, make_nodes, summed
from tasks.nets.sampling import Call, Plan

POINTS = 10_000  # of the quadrature in t, as the authors' code
BASHFORTH = ((1.0,), (1.5, -0.5), (23 / 12, -16 / 12, 5 / 12),
             (55 / 24, -59 / 24, 37 / 24, -9 / 24))  # fmt: skip


@dataclass(frozen=True)
class Scheme:
    """An explicit Runge-Kutta scheme.

    Attributes:
        at: Where in the step each stage looks, 0..1.
        inner: Weights of the stages before, one row a stage.
        outer: Weights of the stages in the step.
    """

    at: tuple[float, ...]
    inner: tuple[tuple[float, ...], ...]
    outer: tuple[float, ...]


SCHEMES = {
    "euler": Scheme((0,), ((),), (1,)),
    "heun": Scheme((0, 1), ((), (1,)), (1 / 2, 1 / 2)),
    "midpoint": Scheme((0, 1 / 2), ((), (1 / 2,)), (0, 1)),
    "kutta3": Scheme((0, 1 / 2, 1), ((), (1 / 2,), (-1, 2)), (1 / 6, 4 / 6, 1 / 6)),
    "rk4": Scheme(
        (0, 1 / 2, 1 / 2, 1),
        ((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
        (1 / 6, 2 / 6, 2 / 6, 1 / 6),
    ),
}
FAMILIES = ("tab", "rhoab", "rhork", "ipndm", "euler", "score_ei")


@dataclass(frozen=True)
class DEISParams(GridParams):
    """Parameters of ``deis``; units stand in params/export/deis.yaml."""

    family: Annotated[str, OneOf(FAMILIES)]
    order: Annotated[int, Range(0, 3)]
    scheme: Annotated[str, OneOf(tuple(SCHEMES))]


class DEIS(Sampler[DEISParams]):
    """An exponential integrator, one of the families above."""

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """DEIS by ``calls`` network calls, those of inner stages included."""
        p = self.params
        if p.family == "rhork":
            scheme = SCHEMES[p.scheme]
            nodes = make_nodes(schedule, _steps(calls, len(scheme.at), p), p)
            steps = _runge_kutta(schedule, nodes, scheme, p.clip)
        else:
            nodes = make_nodes(schedule, calls, p)
            steps = []
            for i in range(calls):
                steps.append(nodes.call(i, f"e{i}", nodes.state(i), "noise", p.clip))
                kept, weights = self._step(schedule, nodes, i)
                terms = [(f"e{i - j}", float(w)) for j, w in enumerate(weights)]
                steps.append(summed(nodes.state(i + 1), (nodes.state(i), kept), *terms))
        return Plan(f"deis_{p.family}", tuple(steps), 1)

    def _step(self, schedule: Schedule, nodes: Nodes, i: int) -> tuple[float, Floats]:
        """Weights of x and of the noises, newest first, from node i to i + 1."""
        family, limit = self.params.family, self.params.order
        kept = float(nodes.alpha[i + 1] / nodes.alpha[i])  # Psi
        s, s_next = nodes.sigma[i], nodes.sigma[i + 1]
        if family == "euler":
            slope = _log_slope(schedule, nodes.time[i])
            span = nodes.time[i + 1] - nodes.time[i]
            return 1 + span * slope / 2, np.array([-span * slope / (2 * s)])
        if family == "score_ei":
            return kept, np.array([(1 - kept) / s])
        last = nodes.clean and i == nodes.steps - 1
        order = 0 if last else min(limit, i)
        if family == "ipndm":
            return kept, (s_next - kept * s) * np.array(BASHFORTH[order])
        if family == "rhoab":
            return kept, rho_weights(nodes, i, order)
        return kept, time_weights(schedule, nodes, i, order)


def time_weights(
    schedule: Schedule, nodes: Nodes, i: int, order: int, points: int = POINTS
) -> Floats:
    """C_j of ``tab``, (order + 1,), newest first.

    The integral over rho is a sum over ``points`` pieces, L_j at the middle of each.
    """
    edges = np.linspace(nodes.time[i], nodes.time[i + 1], points + 1)
    pieces = np.diff(schedule.rho(edges))
    middles = (edges[1:] + edges[:-1]) / 2
    basis = _lagrange(nodes.time[i - order : i + 1][::-1], middles)
    return nodes.alpha[i + 1] * (basis @ pieces)


def rho_weights(nodes: Nodes, i: int, order: int) -> Floats:
    """C_j = a' int L_j(rho) d rho of ``rhoab``, (order + 1,), newest first.

    Four Gauss-Legendre points are exact.
    """
    begin, end = nodes.rho[i], nodes.rho[i + 1]
    at, weight = np.polynomial.legendre.leggauss(4)
    basis = _lagrange(
        nodes.rho[i - order : i + 1][::-1], (begin + end) / 2 + at * (end - begin) / 2
    )
    return nodes.alpha[i + 1] * (basis @ weight) * (end - begin) / 2


def _lagrange(points: Floats, at: Floats) -> Floats:
    """Values of each point's Lagrange polynomial: (points, at)."""
    rows = []
    for j, own in enumerate(points):
        others = np.delete(points, j)[:, None]
        rows.append(np.prod((at - others) / (own - others), axis=0))
    return np.array(rows)


def _log_slope(schedule: Schedule, time: float) -> float:
    """D ln abar / dt; f is half of it and g^2 its negative."""
    logs = np.log([1.0, *schedule.table])
    slopes = np.gradient(logs, edge_order=2 if len(logs) > 2 else 1)
    return float(np.interp(time, np.arange(len(logs)) + CLEAN, slopes))


def _steps(calls: int, stages: int, params: GridParams) -> int:
    """Runge-Kutta steps that make up so many calls.

    Raises:
        RefusedError: If none do.
    """
    single = 1 if params.end == "clean" else 0  # the last step's own call
    steps, rest = divmod(calls - single, stages)
    if rest or calls < 1:
        more = " and one more" if single else ""
        raise RefusedError(
            PARAMS,
            "study.sampled.steps",
            calls,
            f"a multiple of {stages}, the stages of export.deis.scheme,{more}",
            "change study.sampled.steps or the scheme",
        )
    return steps + single


def _runge_kutta(
    schedule: Schedule, nodes: Nodes, scheme: Scheme, clip: bool
) -> list[Step]:
    """The scheme on v = x / a over rho; registers hold x, sums go through v."""
    steps: list[Step] = []
    rho = nodes.rho
    for i in range(nodes.steps):
        x, a = nodes.state(i), nodes.alpha[i]
        span = rho[i + 1] - rho[i]
        whole = not (nodes.clean and i == nodes.steps - 1)
        used = scheme if whole else SCHEMES["euler"]
        for k, (at, inner) in enumerate(zip(used.at, used.inner, strict=True)):
            if k == 0:
                steps.append(nodes.call(i, f"e{i}_0", x, "noise", clip))
                continue
            here = rho[i] + at * span
            alpha = 1 / np.sqrt(1 + here**2)
            terms = [(f"e{i}_{j}", alpha * span * w) for j, w in enumerate(inner) if w]
            state = f"x{i}_{k}"
            steps.append(summed(state, (x, alpha / a), *terms))
            time = nodes.time[i + 1] if at == 1 else schedule.time(here)
            level = float(time), float(alpha), float(here * alpha)
            steps.append(Call(f"e{i}_{k}", state, *level, "noise", clip))
        a_next = nodes.alpha[i + 1]
        terms = [
            (f"e{i}_{k}", a_next * span * w) for k, w in enumerate(used.outer) if w
        ]
        steps.append(summed(nodes.state(i + 1), (x, a_next / a), *terms))
    return steps
