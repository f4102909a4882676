from pathlib import Path

from tasks.claims import ClaimParams
from tasks.claims.riql import RIQL
from tests.claims.results_files import SEEDS, write_scores
from tests.study_files import state_curves

DATA = ["clean", "random_obs", "random_act", "random_rew", "random_dyn"]

PARAMS = ClaimParams("It holds.", "a table", "data/beds/README.md")


def looked(
    root: Path, scores: dict[str, list[float]], kurtosis: float, share: float
) -> list[str]:
    """Verdicts, where iql's figures on corrupted dynamics are so."""
    told = {
        (data, learner): score
        for learner, row in scores.items()
        for data, score in zip(DATA, row, strict=True)
    }
    results = write_scores(root, told)
    for data in DATA:
        for learner in ("iql", "riql"):
            own = learner == "iql" and data == "random_dyn"
            lines = ["update,seed,target_kurtosis,tail_share"]
            for update in (100, 200):
                for seed in SEEDS:
                    values = f"{kurtosis if own else 3},{share if own else 0.2}"
                    lines.append(
                        f"{update},{seed},{values if update == 200 else '0,0'}"
                    )
            place = root / "policies" / data / learner
            place.mkdir(parents=True)
            (place / "curves.csv").write_text("\n".join(lines) + "\n")
            state_curves(place / "curves.csv")
    claim = RIQL(PARAMS)
    return [check.verdict for check in claim.outcome(results).checks]


def test_what_the_paper_says_is_shown(tmp_path: Path):
    scores = {
        "td3_bc": [60, 10, 10, 10, 10],
        "iql": [60, 40, 40, 40, 30],
        "riql": [60, 45, 45, 45, 50],
    }
    assert looked(tmp_path, scores, kurtosis=5, share=0.4) == ["shown"] * 5


def test_each_check_can_fail(tmp_path: Path):
    scores = {
        "td3_bc": [30, 30, 30, 30, 30],
        "iql": [60, 40, 40, 40, 40],
        "riql": [60, 38, 38, 38, 30],
    }
    assert looked(tmp_path, scores, kurtosis=2, share=0.1) == ["not shown"] * 5
