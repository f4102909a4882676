from pathlib import Path

import pytest

from tests.beds.harness import claim
from tests.claims.results_files import write_scores

DATA = ["clean", "random_obs", "random_act", "random_rew", "random_dyn"]


def test_the_corruptions_are_compared(tmp_path: Path):
    scores = {
        (data, learner): 50.0 + (10 * i if learner == "riql" else 0)
        for i, data in enumerate(DATA)
        for learner in ("iql", "riql")
    }
    outcome = claim("riql", n=3).outcome(write_scores(tmp_path, scores))
    assert outcome.primary.figure.value == pytest.approx(25, abs=0.5)
    assert len(outcome.figures) == 10
