"""DPM-Solver++(2M): Lu et al. 2022 (arXiv 2211.01095, algorithm 2), data prediction.

With a, s of a node, a', s' of the next, lam = ln(a / s), m_i the data the network
predicts at node i:

    h  = lam' - lam,  r = h_{i-1} / h_i
    D  = (1 + 1/(2 r)) m_i - 1/(2 r) m_{i-1};  D = m_i at the first and the last step
    x' = s'/s x - a' expm1(-h) D
"""

from dataclasses import dataclass

import numpy as np

from tasks.export import Sampler
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import (
    GridParams,
    Step,
    check_order,
    make_nodes,
    summed,
)
from tasks.nets.sampling import Plan

ORDER = 2


@dataclass(frozen=True)
class DPMSolverParams(GridParams):
    """Parameters of ``dpm_solver``; units stand in params/export/dpm_solver.yaml."""


class DPMSolver(Sampler[DPMSolverParams]):
    """A multistep solver of second order."""

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """DPM-Solver++(2M) through ``calls`` nodes of the grid, at least two."""
        check_order(calls, ORDER)
        nodes = make_nodes(schedule, calls, self.params)
        h = np.diff(nodes.lam)
        steps: list[Step] = []
        for i in range(calls):
            x, m = nodes.state(i), f"m{i}"
            steps.append(nodes.call(i, m, x, "data", self.params.clip))
            along = -nodes.alpha[i + 1] * np.expm1(-h[i])
            half = h[i] / h[i - 1] / 2 if 0 < i < calls - 1 else 0.0
            terms = [(x, nodes.sigma[i + 1] / nodes.sigma[i]), (m, along * (1 + half))]
            if half:
                terms.append((f"m{i - 1}", -along * half))
            steps.append(summed(nodes.state(i + 1), *terms))
        return Plan("dpm_solver", tuple(steps), 1)
