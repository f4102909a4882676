"""The bed of DEIS, small, through its claim; its plans and its table."""

from pathlib import Path

import pytest

from tasks.beds.cores.mixtures import Mixture
from tasks.claims import GATES
from tests.beds.harness import bed, claim, results, run


@pytest.mark.slow
def test_its_claim_looks_at_the_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    left = run("deis", tmp_path, monkeypatch, mixtures=[0, 1], samples=8)
    assert [job.name for job in left.jobs][:2] == [
        "wide, mixture 0",
        "wide, mixture 1",
    ]
    outcome = claim("deis", n=2).outcome(results(tmp_path / "data"))
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    names = [figure.name for figure in outcome.figures]
    assert len(set(names)) == len(names)


def test_all_families_grids_and_controls_have_a_row():
    """And are the plans they say."""
    ladder = {"euler", "score_ei", "ddim", "tab1", "tab2", "tab3", "tab3_quadratic"}
    grids = {"tab3", "tab3_quadratic", "tab3_log", "tab3_rho7"}
    others = {"rhoab2", "rho_heun", "rho_kutta3", "ipndm"}
    made = bed("deis")
    assert ladder | grids | others < made.ROWS.keys()
    for name in made.ROWS:
        plan = made.sampler(name).plan(Mixture.drawn().schedule, 6)
        assert plan.calls == 6, name
