"""The bed of the claim ``dc_solver``: its ratios against other samplers, on mixtures.

DC-Solver (Zhao et al. 2024, arXiv 2409.03755) and its equations stand in
``tasks/export/dc_solver/``; the mixtures in ``cores/mixtures.py``. One table, of modes
of std 0.3, without guidance and with two strengths of it. Under guidance no corrector
follows the first step, as the authors have it there; rows that end in ``_all`` correct
it all the same.

Two rows are controls: ``unipc_twice`` calls twice as often as the table says, and
``dc_solver_shuffled`` searches its ratios against trajectories of other noises.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from tasks.beds.cores.mixtures import MixtureBed, Situation, Table
from tasks.export import Sampler
from tasks.export.cores.time_grid import make_nodes
from tasks.export.cores.unipc_plan import Form, plan
from tasks.export.dc_solver import DCSolver
from tasks.export.dc_solver.ratios import search
from tasks.export.ddim import DDIM
from tasks.export.ddpm import DDPM
from tasks.export.dpm_solver import DPMSolver
from tasks.export.unipc import UniPC
from tasks.nets.sampling import Plan

SECOND = ("ddim", "dpm_solver", "unipc", "unipc_all", "unipc_predictor", "dc_solver")
CONTROLS = ("unipc_twice", "dc_solver_shuffled")
THIRD = ("unipc3_bh1", "dc_solver3_bh1")  # order 3, bh1, as the paper without guidance


class DCSolverBed(MixtureBed):
    """Errors of DC-Solver, whose ratios are searched on noises of their own."""

    METHODS: ClassVar[Mapping[str, type[Sampler[Any]]]] = {
        "ddpm": DDPM,
        "ddim": DDIM,
        "dpm_solver": DPMSolver,
        "unipc": UniPC,
        "dc_solver": DCSolver,
    }
    ROWS: ClassVar[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
        "ddpm": ("ddpm", {}),
        "ddim": ("ddim", {}),
        "dpm_solver": ("dpm_solver", {}),
        "unipc": ("unipc", {}),
        "unipc_all": ("unipc", {"corrector": "all"}),
        "unipc_predictor": ("unipc", {"corrector": "none"}),
        "unipc_twice": ("unipc", {}),
        "unipc3_bh1": ("unipc", {"order": 3, "variant": "bh1"}),
        "dc_solver": ("dc_solver", {}),
        "dc_solver_predictor": ("dc_solver", {"corrector": "none"}),
        "dc_solver_shuffled": ("dc_solver", {}),
        "dc_solver3_bh1": ("dc_solver", {"order": 3, "variant": "bh1"}),
    }
    GUIDED: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"corrector": "later"} for name in ("unipc", "dc_solver")
    }
    TABLES: ClassVar[Mapping[str, Table]] = {
        "all": Table(
            (*SECOND, *THIRD, *CONTROLS), (0.0, 4.0, 7.5), (5, 6, 8, 10), std=0.3
        ),
    }

    def plan(
        self, row: str, calls: int, situation: Situation
    ) -> tuple[Plan, dict[str, Any]] | None:
        """As of any sampler; of DC-Solver with its ``ratios``, searched now."""
        if self.ROWS[row][0] != "dc_solver":
            times = 2 if row == "unipc_twice" else 1
            return super().plan(row, times * calls, situation)
        own, guide = self.sampler(row, situation.guidance).params, situation.guide
        if row == "dc_solver_shuffled":
            states = tuple(state.roll(1, dims=1) for state in guide.states)
            guide = replace(guide, states=states)
        nodes = make_nodes(situation.schedule, calls, own)
        form = Form(own.order, own.variant, own.corrector, own.clip)
        found = search(
            nodes,
            form,
            situation.network,
            "noise",
            situation.noise,
            None,
            guide,
            own.iterations,
            own.rate,
        )
        return plan(nodes, "dc_solver", form, found.ratios), {"ratios": found.ratios}
