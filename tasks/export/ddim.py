"""DDIM: Song, Meng, Ermon 2021 (arXiv 2010.02502, equation 12).

Each step goes to the next node along the data and the noise the network believes in.
With a, s of a node, a', s' of the next, abar = a^2 and z standard normal:

    v  = eta s'/s sqrt(1 - abar/abar')
    x' = a' data + sqrt(s'^2 - v^2) noise + v z,    noise = (x - a data) / s
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.params import Range
from tasks.export import Sampler
from tasks.export.cores.ddim_plan import ddim
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import GridParams, make_nodes
from tasks.nets.sampling import Plan


@dataclass(frozen=True)
class DDIMParams(GridParams):
    """Parameters of ``ddim``; units stand in params/export/ddim.yaml."""

    eta: Annotated[float, Range(0, 1)]


class DDIM(Sampler[DDIMParams]):
    """Deterministic with eta 0, ancestral with eta 1."""

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """DDIM through ``calls`` nodes of the grid."""
        nodes = make_nodes(schedule, calls, self.params)
        return ddim(nodes, "ddim", self.params.eta, self.params.clip)
