"""The bed of DC-Solver, small, through its claim; its table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.beds.cores.mixtures import Mixture, Situation, Table
from tasks.claims import GATES
from tasks.export.dc_solver.ratios import trace
from tests.beds.harness import bed, block, claim, results, run


def hasty(iterations: int) -> dict[str, Any]:
    """Methods whose search, which is tested with the method, is short."""
    methods = block("dc_solver")["methods"]
    return methods | {"dc_solver": methods["dc_solver"] | {"iterations": iterations}}


@pytest.mark.slow
def test_its_claim_looks_at_the_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = {"mixtures": [0, 1], "samples": 8, "fine": 1, "methods": hasty(1)}
    run("dc_solver", tmp_path, monkeypatch, **small)
    outcome = claim("dc_solver", n=2).outcome(results(tmp_path / "data"))
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    names = [figure.name for figure in outcome.figures]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_the_table_has_every_cell_and_the_same_ones_again():
    names = ("ddim", "unipc", "dc_solver")
    table = Table(names, (0.0, 7.5), (5, 6), std=0.3)
    made = bed("dc_solver", samples=32, fine=1)
    shares: list[float] = []
    rows = made.cells(table, 0, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert rows == made.cells(table, 0, lambda _: None)
    cells = {(r["sampler"], r["guidance"], r["nfe"]): r for r in rows}
    wanted = [(name, w, n) for w in (0.0, 7.5) for name in names for n in (5, 6)]
    assert list(cells) == wanted
    for row in rows:  # of numbers that differ the logarithms' mean is the smaller
        assert (row["logs"] < np.log(row["means"])).all()
    assert len(cells["dc_solver", 7.5, 6]["ratios"]) == 6
    # as far as 32 samples tell
    errors = [sum(cells[name, 0.0, 6]["means"]) for name in names]
    assert errors[2] < errors[1] < errors[0]


def test_every_row_is_the_plan_it_says():
    made = bed("dc_solver")
    assert {"ddpm", "dpm_solver", "unipc", "dc_solver_predictor"} < made.ROWS.keys()
    for name in made.ROWS:
        plan = made.sampler(name).plan(Mixture.drawn().schedule, 6)
        assert plan.calls == 6, name


def test_under_guidance_nothing_corrects_the_first_step():
    made = bed("dc_solver")
    for name in ("unipc", "dc_solver", "unipc3_bh1", "unipc_twice"):
        assert made.sampler(name).params.corrector == "all"
        assert made.sampler(name, 7.5).params.corrector == "later"
    assert made.sampler("unipc_all", 7.5).params.corrector == "all"
    assert made.sampler("unipc_predictor", 7.5).params.corrector == "none"


def test_the_controls_are_what_they_say():
    """Twice the calls, and ratios searched against trajectories of other noises."""
    made, guidance = bed("dc_solver", methods=hasty(3)), 7.5
    mixture = Mixture.drawn(seed=3)
    network, tuning = mixture.network(guidance), mixture.draw(4, 5)
    top = mixture.schedule.start(1e-4)
    guide = trace(
        mixture.schedule,
        np.linspace(top, 0, top + 1),
        network,
        "noise",
        tuning,
        None,
        clip=False,
    )
    situation = Situation(mixture.schedule, network, tuning, guide, guidance)
    assert made.plan("unipc_twice", 5, situation)[0].calls == 10
    rows = ("dc_solver", "dc_solver_shuffled")
    ratios = [made.plan(row, 5, situation)[1]["ratios"] for row in rows]
    assert ratios[0][:2] == ratios[1][:2] == [1, 1]
    assert ratios[0][2:] != ratios[1][2:]
