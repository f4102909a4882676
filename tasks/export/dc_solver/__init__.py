"""DC-Solver: Zhao, Wang, Zhou, Lu 2024 (arXiv 2409.03755), UniPC with compensation.

UniPC's corrector moves the state, but its buffer keeps the output of the state before.
Before each step from the third on the newest output is replaced, for good, by one
interpolated along the last three outputs, at a time a ratio shifts; ratio 1 is UniPC
(cores/unipc_sums.py). The ratios are searched for each policy by gradient on a few
observations of the dataset, against a fine DDIM from the same noise
(dc_solver/ratios.py). Without a search they can be predicted, for any number of steps,
by a polynomial of 36 coefficients fitted on the ratios of others (the paper's CPR); a
policy without guidance has w = 0.

From the authors' code: AdamW at 0.1 from ratio 1, no bound on a ratio, the scales of
the polynomial. The paper's reference takes the nearest stored state; here it passes the
nodes themselves.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from tasks.artifacts.params import OneOf, Range
from tasks.export import Sampler
from tasks.export.cores.plan import GridParams, check_order, make_nodes
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.unipc_sums import Form, plan
from tasks.export.dc_solver.ratios import Found, fine_times, fit, predict, search, trace
from tasks.nets.sampling import Plan

if TYPE_CHECKING:
    from tasks.nets.diffusion import DiffusionPolicy


@dataclass(frozen=True)
class DCSolverParams(GridParams):
    """See params/export/dc_solver.yaml for units and ranges."""

    order: Annotated[int, Range(1, 3)]
    variant: Annotated[str, OneOf(("bh1", "bh2"))]
    corrector: Annotated[str, OneOf(("all", "later", "none"))]
    samples: Annotated[int, Range(1)]
    iterations: Annotated[int, Range(0)]
    rate: Annotated[float, Range(0, 10, open=True)]
    fine: Annotated[int, Range(1)]
    predict: Annotated[tuple[int, ...], Range(3)]
    seed: Annotated[int, Range(0)]


class DCSolver(Sampler):
    """See the module."""

    Parameters = DCSolverParams
    params: DCSolverParams

    @property
    def form(self) -> Form:
        """Which UniPC it goes out from."""
        own = self.params
        return Form(own.order, own.variant, own.corrector, own.clip)

    def plan(
        self, schedule: Schedule, calls: int, ratios: list[float] | None = None
    ) -> Plan:
        """See :meth:`tasks.export.Sampler.plan`; without ratios it is UniPC."""
        nodes = make_nodes(schedule, calls, self.params)
        return plan(nodes, "dc_solver", self.form, ratios)

    def fitted(
        self, policy: "DiffusionPolicy", calls: int, rows: Tensor
    ) -> tuple[Plan, dict[str, Any]]:
        """See :meth:`tasks.export.Sampler.fitted`; keeps the ratios and the search."""
        own, schedule = self.params, Schedule.of(policy.abar)
        check_order(calls, own.order)
        found = {n: self._search(policy, n, rows) for n in own.predict or (calls,)}
        told: dict[str, Any] = {
            "searched": {
                str(n): {"ratios": one.ratios, "before": one.before, "after": one.after}
                for n, one in found.items()
            }
        }
        if own.predict:
            told["coefficients"] = fit([(n, 0.0, f.ratios) for n, f in found.items()])
            ratios = predict(told["coefficients"], calls, 0.0)
            told["coefficients"] = told["coefficients"].tolist()
        else:
            ratios = found[calls].ratios
        return self.plan(schedule, calls, ratios), {"ratios": ratios, **told}

    def _search(self, policy: "DiffusionPolicy", calls: int, rows: Tensor) -> Found:
        """Ratios of one step count, on rows and noise of the method's own seed."""
        own, schedule = self.params, Schedule.of(policy.abar)
        nodes = make_nodes(schedule, calls, own)
        draw = torch.Generator().manual_seed(own.seed)
        picked = torch.randperm(len(rows), generator=draw)[: own.samples]
        seen = rows[picked][None]  # (1, B, O)
        shape = (1, len(picked), policy.action_width)
        noise = torch.randn(shape, generator=draw)
        known = policy.normalise(seen)

        def network(x: Tensor, time: float) -> Tensor:
            return policy.network(known, x, *policy.times(time))

        times = fine_times(nodes, own.fine, own.times == "whole")
        guide = trace(schedule, times, network, policy.kind, noise, seen, own.clip)
        return search(
            nodes, self.form, network, policy.kind, noise, seen, guide,
            own.iterations, own.rate,
        )  # fmt: skip
