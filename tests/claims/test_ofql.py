import shutil
from pathlib import Path

import pytest

from tests.beds.harness import claim
from tests.claims.results_files import write_scores


def test_ofql_is_compared_with_dql(tmp_path: Path):
    scores = {("d", "ofql"): 52.0, ("d", "dql"): 50.0, ("d", "bc"): 5.0}
    results = write_scores(tmp_path, {**scores, ("d", "ddim"): 10.0})
    results.params["study"]["learners"] = ["bc", "dql", "ofql"]
    place = tmp_path / "evaluations/d"
    shutil.move(place / "ddim/float32", place / "dql/float32-ddim-1")
    outcome = claim("ofql", n=3).outcome(results)
    assert outcome.primary.figure.value == pytest.approx(2, abs=0.5)
    assert outcome.primary.bound == -5
    assert [figure.name for figure in outcome.figures][-1] == "dql by one DDIM step"
