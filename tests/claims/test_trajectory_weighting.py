from pathlib import Path

from tasks.artifacts.sealed import write_sealed
from tasks.claims import ClaimParams
from tasks.claims.trajectory_weighting import TrajectoryWeighting
from tests.claims.results_files import write_scores

DATA = ["hopper_random_expert_5", "pendulum_a", "pendulum_b", "hopper_c"]

PARAMS = ClaimParams("It holds.", "a table", "data/beds/README.md")


def looked(root: Path, gains: dict[str, float], rw: float = 0.0) -> dict[str, str]:
    """Verdicts of the checks, where AW gains so much over uniform."""
    scores = {
        (data, f"td3_bc{scheme}"): 20 + more
        for data in DATA
        for scheme, more in (("", 0), ("-rw", rw), ("-aw", gains[data]), ("-top10", 1))
    }
    results = write_scores(root, scores)
    results.params["study"]["weighted"] = {"learners": ["td3_bc"]}
    for i, data in enumerate(DATA):
        place = root / "weights" / data / "aw"
        place.mkdir(parents=True)
        room = {"return": 10.0 * i, "score": i}
        write_sealed(place / "weights.json", {"v_plus": room})
    claim = TrajectoryWeighting(PARAMS)
    return {c.figure.name: c.verdict for c in claim.outcome(results).checks}


def test_what_the_paper_says_is_shown(tmp_path: Path):
    found = looked(tmp_path, dict(zip(DATA, (20, 22, 24, 26), strict=True)))
    assert len(found) == 3
    assert set(found.values()) == {"shown"}


def test_each_check_can_fail(tmp_path: Path):
    gains = dict(zip(DATA, (0.2, 0.1, 0.05, 0.01), strict=True))
    found = looked(tmp_path, gains, rw=30)
    assert set(found.values()) == {"not shown"}
