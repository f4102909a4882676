"""The bed of DC-Solver, small, through its claim; its table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.beds.cores.mixtures import Mixture, Table
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
    assert outcome.verdict == "bed refused"
    assert all(np.isfinite(figure.value) for figure in outcome.figures)


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
    assert all(row["mse"] > 0 for row in rows)
    assert len(cells["dc_solver", 7.5, 6]["ratios"]) == 6
    # as far as 32 samples tell
    assert cells["dc_solver", 0.0, 6]["mse"] < cells["unipc", 0.0, 6]["mse"]
    assert cells["unipc", 0.0, 6]["mse"] < cells["ddim", 0.0, 6]["mse"]


def test_every_row_is_the_plan_it_says():
    made = bed("dc_solver")
    assert {"ddpm", "dpm_solver", "unipc", "dc_solver_predictor"} < made.ROWS.keys()
    for name in made.ROWS:
        plan = made.sampler(name).plan(Mixture.drawn().schedule, 6)
        assert plan.calls == 6, name
