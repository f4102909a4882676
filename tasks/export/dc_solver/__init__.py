"""DC-Solver: Zhao, Wang, Zhou, Lu 2024 (arXiv 2409.03755), UniPC with compensation.

UniPC's corrector moves the state, but its buffer keeps the output of the state before.
Before each step from the third on the newest output is replaced, for good, by one
interpolated along the last three outputs, at a time a ratio shifts; ratio 1 is UniPC:

    m_i     <- sum_{k=0..2} m_{i-k} L_k(t'),  t' = ratio_i t_i + (1 - ratio_i) t_{i-1}
    ratio_i = argmin ||x_{i+1}(ratio) - x_ref(t_{i+1})||^2
    ratio_i ~ sum_{k<4, p<3, q<3} C_kpq (i/N)^k (w/12)^p (N/50)^q

L_k are Lagrange's polynomials in time (cores/unipc_plan.py). The ratios are searched
for each policy by gradient on a few observations of the dataset, against a fine DDIM
x_ref from the same noise (ratios.py). Without a search they can be predicted, for any
number of steps N, by the polynomial of 36 coefficients fitted on the ratios of others
(the paper's CPR); a policy without guidance has w = 0.

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
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import GridParams, check_order, make_nodes
from tasks.export.cores.unipc_plan import Form, plan
from tasks.export.dc_solver.ratios import Found, fine_times, fit, predict, search, trace
from tasks.nets.sampling import Plan

if TYPE_CHECKING:
    from tasks.nets.diffusion import DiffusionPolicy


@dataclass(frozen=True)
class DCSolverParams(GridParams):
    """Parameters of ``dc_solver``; units stand in params/export/dc_solver.yaml."""

    order: Annotated[int, Range(1, 3)]
    variant: Annotated[str, OneOf(("bh1", "bh2"))]
    corrector: Annotated[str, OneOf(("all", "later", "none"))]
    samples: Annotated[int, Range(1, 10**6)]
    iterations: Annotated[int, Range(0, 10**6)]
    rate: Annotated[float, Range(0, 10, open=True)]
    fine: Annotated[int, Range(1, 10**6)]
    predict: Annotated[tuple[int, ...], Range(3, 1000)]
    seed: Annotated[int, Range(0, 2**31 - 1)]


class DCSolver(Sampler[DCSolverParams]):
    """UniPC whose ratios are searched, or predicted, for each policy."""

    @property
    def form(self) -> Form:
        """Which UniPC it goes out from."""
        p = self.params
        return Form(p.order, p.variant, p.corrector, p.clip)

    def plan(
        self, schedule: Schedule, calls: int, ratios: list[float] | None = None
    ) -> Plan:
        """UniPC through ``calls`` nodes, compensated by a ratio a step if given.

        Args:
            schedule: Of the policy's noise.
            calls: Network calls (NFE), N.
            ratios: (N,), the first two 1; None is 1 everywhere.
        """
        nodes = make_nodes(schedule, calls, self.params)
        return plan(nodes, "dc_solver", self.form, ratios)

    def fitted(
        self, policy: "DiffusionPolicy", calls: int, rows: Tensor
    ) -> tuple[Plan, dict[str, Any]]:
        """A plan with ratios found for this policy; keeps them and their search.

        Args:
            policy: Of one seed.
            calls: Network calls (NFE).
            rows: (N, O), observations to search on, units of the world.

        Returns:
            The plan, and for dc_ratios.json ``ratios``, ``searched`` (ratios and errors
            by the number of steps) and, where they are predicted, ``coefficients``.
        """
        p, schedule = self.params, Schedule.of(policy.abar)
        check_order(calls, p.order)
        searches = {n: self._search(policy, n, rows) for n in p.predict or (calls,)}
        record: dict[str, Any] = {
            "searched": {
                str(n): {"ratios": s.ratios, "before": s.before, "after": s.after}
                for n, s in searches.items()
            }
        }
        if p.predict:
            coefficients = fit([(n, 0.0, s.ratios) for n, s in searches.items()])
            ratios = predict(coefficients, calls, 0.0)
            record["coefficients"] = coefficients.tolist()
        else:
            ratios = searches[calls].ratios
        return self.plan(schedule, calls, ratios), {"ratios": ratios, **record}

    def _search(self, policy: "DiffusionPolicy", calls: int, rows: Tensor) -> Found:
        """Ratios of one step count, on rows and noise of the method's own seed."""
        p, schedule = self.params, Schedule.of(policy.abar)
        nodes = make_nodes(schedule, calls, p)
        draw = torch.Generator().manual_seed(p.seed)
        picked = torch.randperm(len(rows), generator=draw)[: p.samples]
        observations = rows[picked][None]  # (1, B, O)
        shape = (1, len(picked), policy.action_width)
        noise = torch.randn(shape, generator=draw)
        normalised = policy.normalise(observations)

        def network(x: Tensor, time: float) -> Tensor:
            return policy.network(normalised, x, *policy.times(time))

        times, kind = fine_times(nodes, p.fine, p.times == "whole"), policy.kind
        reference = trace(schedule, times, network, kind, noise, observations, p.clip)
        return search(
            nodes, self.form, network, kind, noise, observations, reference,
            p.iterations, p.rate,
        )  # fmt: skip
