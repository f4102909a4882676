"""The bed of the claim ``dc_solver``: its ratios against other samplers, on mixtures.

DC-Solver (Zhao et al. 2024, arXiv 2409.03755) and its equations stand in
``tasks/export/dc_solver/``; the mixtures in ``cores/mixtures.py``. One table, of modes
of std 0.3, without guidance and with two strengths of it.
"""

from collections.abc import Mapping
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

SECOND = ("ddim", "dpm_solver", "unipc", "unipc_predictor", "dc_solver")
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
        "unipc_predictor": ("unipc", {"corrector": "none"}),
        "unipc3_bh1": ("unipc", {"order": 3, "variant": "bh1"}),
        "dc_solver": ("dc_solver", {}),
        "dc_solver_predictor": ("dc_solver", {"corrector": "none"}),
        "dc_solver3_bh1": ("dc_solver", {"order": 3, "variant": "bh1"}),
    }
    TABLES: ClassVar[Mapping[str, Table]] = {
        "all": Table((*SECOND, *THIRD), (0.0, 4.0, 7.5), (5, 6, 8, 10), std=0.3),
    }

    def plan(
        self, row: str, calls: int, situation: Situation
    ) -> tuple[Plan, dict[str, Any]] | None:
        """As of any sampler; of DC-Solver with its ``ratios``, searched now."""
        if self.ROWS[row][0] != "dc_solver":
            return super().plan(row, calls, situation)
        own = self.sampler(row).params
        nodes = make_nodes(situation.schedule, calls, own)
        form = Form(own.order, own.variant, own.corrector, own.clip)
        found = search(
            nodes,
            form,
            situation.network,
            "noise",
            situation.noise,
            None,
            situation.guide,
            own.iterations,
            own.rate,
        )
        return plan(nodes, "dc_solver", form, found.ratios), {"ratios": found.ratios}
