"""UniPC's plan, and the compensation that DC-Solver adds to it.

UniPC: Zhao, Bai, Rao, Zhou, Lu 2023 (arXiv 2302.04867), data prediction. A step from
node i to i + 1, with y the corrected state at i, m the buffered data predictions, h =
lam' - lam, k = -h, phi = expm1(k), r_j = (lam_{i-j} - lam_i) / h and r_p = 1:

    base      = s'/s y - a' phi m_i
    predictor = base - a' B sum_{j<p} rho_j (m_{i-j} - m_i) / r_j
    corrector = the same with p points, and + rho_p (m' - m_i), m' = data at the
                predicted state, which is also the next entry of the buffer

B = k (bh1) or phi (bh2); rho solves R rho = b, R_{nj} = r_j^(n-1), b_n = g_n n! / B,
g_1 = phi/k - 1, g_{n+1} = g_n/k - 1/(n+1)!. Order of step i, from 1: min(p, i, N+1-i);
no corrector at the last. So N network calls.

DC-Solver: Zhao, Wang, Zhou, Lu 2024 (arXiv 2409.03755). Before the step from node i the
newest output is replaced, for good, by one interpolated along the last K + 1 = 3:

    m_i <- sum_{k=0..K} m_{i-k} L_k(t'),  t' = ratio_i t_i + (1 - ratio_i) t_{i-1},
    L_k(t') = prod_{l != k} (t' - t_{i-l}) / (t_{i-k} - t_{i-l})
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.export.cores.schedule import Floats
from tasks.export.cores.time_grid import Nodes, Step, check_order, summed
from tasks.nets.sampling import Plan, Sum


@dataclass(frozen=True)
class Form:
    """Which variant of UniPC.

    Attributes:
        order: p, 1..3.
        variant: ``bh1`` or ``bh2``.
        corrector: ``all`` (but the last step), ``later`` (nor the first) or ``none``.
        clip: Clip the data at every call.
    """

    order: int
    variant: str
    corrector: str
    clip: bool


POINTS = 2  # K: outputs beside the newest that the compensation interpolates


def plan(
    nodes: Nodes, name: str, form: Form, ratios: Sequence[float] | None = None
) -> Plan:
    """UniPC, or DC-Solver where ratios are given.

    Args:
        nodes: Where it calls.
        name: Of the plan.
        form: Which UniPC.
        ratios: (N,), one a step; None is 1 everywhere.

    Raises:
        RefusedError: If N < p, or the ratios do not fit the steps.
    """
    check_order(nodes.steps, form.order)
    shifts = check_ratios(nodes.steps, ratios or [1.0] * nodes.steps)
    steps: list[Step] = [nodes.call(0, "m0", "noise0", "data", form.clip)]
    history = ["m0"]
    for i in range(nodes.steps):
        steps += segment(nodes, i, history, shifts[i], form)
    return Plan(name, tuple(steps), 1)


def check_ratios(steps: int, ratios: Sequence[float]) -> list[float]:
    """The ratios as floats, if they fit.

    Raises:
        RefusedError: If there is not one a step, one is not finite, or one differs from
            1 where the buffer holds no more than K outputs, i.e. in the first two.
    """
    numbers = [float(ratio) for ratio in ratios]
    fits = len(numbers) == steps and np.all(np.isfinite(numbers))
    if not fits or any(ratio != 1 for ratio in numbers[:POINTS]):
        raise RefusedError(
            "dc_ratios.json",
            "ratios",
            numbers,
            f"{steps} finite numbers, the first {POINTS} of them 1",
            "search them again",
        )
    return numbers


def segment(
    nodes: Nodes, i: int, history: list[str], ratio: Any, form: Form
) -> list[Step]:
    """The steps from node i to i + 1.

    Args:
        nodes: Where it calls.
        i: From 0.
        history: Registers of the buffer, newest last; is brought up to date.
        ratio: Of the compensation; a number, or a tensor that wants a gradient.
        form: Which UniPC.
    """
    last = i == nodes.steps - 1
    p = min(form.order, i + 1, nodes.steps - i)
    steps: list[Step] = []
    if not isinstance(ratio, float) or ratio != 1:
        steps.append(compensation(nodes, i, history, ratio))
        history[-1] = steps[-1].out  # and stays there
    after = nodes.state(i + 1)
    corrects = form.corrector == "all" or (form.corrector == "later" and i > 0)
    corrected = corrects and not last
    guess = f"{after}_predicted" if corrected else after
    terms = _terms(nodes, i, history, p, form.variant)
    steps.append(summed(guess, *terms))
    if last:
        return steps
    newest = f"m{i + 1}"
    steps.append(nodes.call(i + 1, newest, guess, "data", form.clip))
    if corrected:
        terms = _terms(nodes, i, history, p, form.variant, newest)
        steps.append(summed(after, *terms))
    history.append(newest)
    return steps


def compensation(nodes: Nodes, i: int, history: Sequence[str], ratio: Any) -> Sum:
    """DC-Solver's replacement of the newest output, interpolated in time.

    Args:
        nodes: Where it calls.
        i: Number of the node, at least K.
        history: Registers of the buffer, newest last.
        ratio: 1 leaves the newest output as it is; a number, or a tensor that wants a
            gradient.
    """
    times = [float(t) for t in nodes.time[i - POINTS : i + 1][::-1]]  # newest first
    shifted = ratio * times[0] + (1 - ratio) * times[1]
    terms = []
    for k, t in enumerate(times):
        weight: Any = 1.0
        for other in times[:k] + times[k + 1 :]:
            weight = weight * (shifted - other) / (t - other)
        terms.append((history[-1 - k], weight))
    return Sum(f"m{i}_compensated", tuple(terms))


def _terms(
    nodes: Nodes,
    i: int,
    history: Sequence[str],
    p: int,
    variant: str,
    newest: str | None = None,
) -> list[tuple[str, float]]:
    """Terms of the predictor of order p, or, with the newest output, the corrector."""
    lam, a_next = nodes.lam, float(nodes.alpha[i + 1])
    h = float(lam[i + 1] - lam[i])
    phi = float(np.expm1(-h))
    m = history[-1]
    terms = [
        (nodes.state(i), float(nodes.sigma[i + 1] / nodes.sigma[i])),
        (m, -a_next * phi),
    ]
    r = [float(lam[i - j] - lam[i]) / h for j in range(1, p)]
    if newest is not None:
        r.append(1.0)
    if not r:
        return terms
    scale = -h if variant == "bh1" else phi
    rho = _weights(np.array(r), h, phi, scale)
    others = [history[-1 - j] for j in range(1, p)]
    for name, rho_j, r_j in zip([*others, newest or ""], rho, r, strict=False):
        weight = -a_next * scale * float(rho_j) / r_j
        terms += [(name, weight), (m, -weight)]
    return terms


def _weights(r: Floats, h: float, phi: float, scale: float) -> Floats:
    """Weights of the points r; of one point 1/2, as the paper's code has it."""
    if len(r) == 1:
        return np.array([0.5])
    g, b = phi / -h - 1, []
    for n in range(1, len(r) + 1):
        b.append(g * factorial(n) / scale)
        g = g / -h - 1 / factorial(n + 1)
    return np.linalg.solve(np.vander(r, increasing=True).T, np.array(b))
