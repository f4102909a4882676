from pathlib import Path

import pytest

from tasks.artifacts.sealed import write_sealed
from tests.beds.harness import claim
from tests.claims.results_files import write_scores

DATA = ["hopper_random_expert_5", "hopper_random_expert_10", "pendulum"]
GAIN = {"": 0, "-rw": 9, "-aw": 20, "-top10": 1}


def test_the_mixtures_are_compared(tmp_path: Path):
    scores = {
        (data, f"td3_bc{scheme}"): 20.0 + more * (i + 1)
        for i, data in enumerate(DATA)
        for scheme, more in GAIN.items()
    }
    results = write_scores(tmp_path, scores)
    results.params["study"]["weighted"] = {"learners": ["td3_bc"]}
    for data in DATA:
        place = tmp_path / "weights" / data / "aw"
        place.mkdir(parents=True)
        room = {"return": 10.0, "score": 3}
        write_sealed(place / "weights.json", {"v_plus": room})
    outcome = claim("trajectory_weighting", n=3).outcome(results)
    assert outcome.primary.figure.value == pytest.approx(30, abs=0.5)
    assert len(outcome.figures) == 12 + 3
