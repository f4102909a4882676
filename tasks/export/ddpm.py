"""DDPM: Ho, Jain, Abbeel 2020 (arXiv 2006.11239), ancestral sampling on fewer nodes.

The control: each step adds fresh noise, the last none. With all times of the schedule
as nodes it is what the policy was trained with. In equations it is DDIM with eta 1.
"""

from dataclasses import dataclass

from tasks.export import Sampler
from tasks.export.cores.plan import GridParams, ddim, make_nodes
from tasks.export.cores.schedule import Schedule
from tasks.nets.sampling import Plan


@dataclass(frozen=True)
class DDPMParams(GridParams):
    """See params/export/ddpm.yaml for units and ranges."""


class DDPM(Sampler):
    """See the module."""

    Parameters = DDPMParams
    params: DDPMParams

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """See :meth:`tasks.export.Sampler.plan`."""
        nodes = make_nodes(schedule, calls, self.params)
        return ddim(nodes, "ddpm", eta=1.0, clip=self.params.clip)
