"""UniPC: Zhao, Bai, Rao, Zhou, Lu 2023 (arXiv 2302.04867), data prediction.

A predictor and a corrector that reuses the next step's network call. From node i to the
next, with y the corrected state at i, m_i the data the network predicts there:

    base      = s'/s y - a' phi m_i
    predictor = base - a' B sum_{j<p} rho_j (m_{i-j} - m_i) / r_j
    corrector = the same with p points, and + rho_p (m' - m_i)

The weights phi, B, rho, r and the order p of each step stand in cores/unipc_plan.py.
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.params import OneOf, Range
from tasks.export import Sampler
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import GridParams, make_nodes
from tasks.export.cores.unipc_plan import Form, plan
from tasks.nets.sampling import Plan


@dataclass(frozen=True)
class UniPCParams(GridParams):
    """Parameters of ``unipc``; units stand in params/export/unipc.yaml."""

    order: Annotated[int, Range(1, 3)]
    variant: Annotated[str, OneOf(("bh1", "bh2"))]
    corrector: Annotated[str, OneOf(("all", "later", "none"))]


class UniPC(Sampler[UniPCParams]):
    """A predictor-corrector solver of orders 1 to 3."""

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """UniPC through ``calls`` nodes of the grid, at least as many as its order."""
        p = self.params
        nodes = make_nodes(schedule, calls, p)
        form = Form(p.order, p.variant, p.corrector, p.clip)
        return plan(nodes, "unipc", form)
