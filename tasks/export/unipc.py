"""UniPC: Zhao, Bai, Rao, Zhou, Lu 2023 (arXiv 2302.04867), data prediction.

A predictor and a corrector that reuses the next step's network call; equations in
cores/unipc_sums.py.
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.params import OneOf, Range
from tasks.export import Sampler
from tasks.export.cores.plan import GridParams, make_nodes
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.unipc_sums import Form, plan
from tasks.nets.sampling import Plan


@dataclass(frozen=True)
class UniPCParams(GridParams):
    """See params/export/unipc.yaml for units and ranges."""

    order: Annotated[int, Range(1, 3)]
    variant: Annotated[str, OneOf(("bh1", "bh2"))]
    corrector: Annotated[str, OneOf(("all", "later", "none"))]


class UniPC(Sampler):
    """See the module."""

    Parameters = UniPCParams
    params: UniPCParams

    def plan(self, schedule: Schedule, calls: int) -> Plan:
        """See :meth:`tasks.export.Sampler.plan`."""
        own = self.params
        nodes = make_nodes(schedule, calls, own)
        form = Form(own.order, own.variant, own.corrector, own.clip)
        return plan(nodes, "unipc", form)
