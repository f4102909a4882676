import shutil
from pathlib import Path

from tasks.claims import ClaimParams
from tasks.claims.ofql import OFQLClaim
from tests.claims.results_files import write_scores

PARAMS = ClaimParams("It holds.", "a table", "data/beds/README.md")


def looked(root: Path, ofql: float, dql: float, ddim: float) -> list[str]:
    scores = {("d", "ofql"): ofql, ("d", "dql"): dql, ("d", "bc"): 5.0}
    results = write_scores(root, {**scores, ("d", "ddim"): ddim})
    results.params["study"]["learners"] = ["bc", "dql", "ofql"]
    place = root / "evaluations/d"
    shutil.move(place / "ddim/float32", place / "dql/float32-ddim-1")
    outcome = OFQLClaim(PARAMS).outcome(results)
    assert [figure.name for figure in outcome.figures][-1] == "bc"
    return [check.verdict for check in outcome.checks]


def test_what_the_paper_says_is_shown(tmp_path: Path):
    assert looked(tmp_path, ofql=50, dql=50, ddim=10) == ["shown"] * 3


def test_each_check_can_fail(tmp_path: Path):
    assert looked(tmp_path, ofql=20, dql=30, ddim=40) == ["not shown"] * 3
