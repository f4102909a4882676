"""DPM-Solver++(2M): Lu et al. 2022 (arXiv 2211.01095), algorithm 2, data prediction.

x' = s'/s x - a' expm1(-h) D, D = (1 + 1/2r) m_i - 1/2r m_{i-1}, h = lam' - lam, r =
h_{i-1} / h_i; D = m_i at the first and the last step.
"""

from dataclasses import dataclass

import numpy as np

from tasks.export import Sampler
from tasks.export.cores.plan import GridParams, Step, check_order, make_nodes, summed
from tasks.export.cores.schedule import Schedule
from tasks.nets.sampling import Plan

ORDER = 2


@dataclass(frozen=True)
class DPMSolverParams(GridParams):
    """See params/export/dpm_solver.yaml for units and ranges."""


class DPMSolver(Sampler):
    """See the module."""

    Parameters = DPMSolverParams
    params: DPMSolverParams

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """See :meth:`tasks.export.Sampler.plan`."""
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
