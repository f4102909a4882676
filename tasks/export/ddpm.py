"""DDPM: Ho, Jain, Abbeel 2020 (arXiv 2006.11239), ancestral sampling on fewer nodes.

The control: each step adds fresh noise, the last none. With all times of the schedule
as nodes it is what the policy was trained with (equations 6 and 7). With a, s of a
node, a', s' of the next, abar = a^2, b = 1 - abar/abar' and z standard normal:

    x' = a' b / s^2 data + sqrt(1 - b) s'^2 / s^2 x + s'/s sqrt(b) z

which is DDIM's step with eta 1.
"""

from dataclasses import dataclass

from tasks.export import Sampler
from tasks.export.cores.ddim_plan import ddim
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import GridParams, make_nodes
from tasks.nets.sampling import Plan


@dataclass(frozen=True)
class DDPMParams(GridParams):
    """Parameters of ``ddpm``; units stand in params/export/ddpm.yaml."""


class DDPM(Sampler[DDPMParams]):
    """Ancestral sampling on some of the schedule's times."""

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """DDPM through ``calls`` nodes of the grid."""
        nodes = make_nodes(schedule, calls, self.params)
        return ddim(nodes, "ddpm", eta=1.0, clip=self.params.clip)
