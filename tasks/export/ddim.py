"""DDIM: Song, Meng, Ermon 2021 (arXiv 2010.02502), equation 12.

Each step goes to the next node along the data and the noise the network believes in.
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.params import Range
from tasks.export import Sampler
from tasks.export.cores.plan import GridParams, ddim, make_nodes
from tasks.export.cores.schedule import Schedule
from tasks.nets.sampling import Plan


@dataclass(frozen=True)
class DDIMParams(GridParams):
    """See params/export/ddim.yaml for units and ranges."""

    eta: Annotated[float, Range(0, 1)]


class DDIM(Sampler):
    """See the module."""

    Parameters = DDIMParams
    params: DDIMParams

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """See :meth:`tasks.export.Sampler.plan`."""
        nodes = make_nodes(schedule, calls, self.params)
        return ddim(nodes, "ddim", self.params.eta, self.params.clip)
