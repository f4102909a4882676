"""What the claim sees in a made-up study of predictors."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.measured import Rows, write_measured
from tasks.claims import Outcome
from tasks.claims.engine.results import Results
from tests.beds.harness import claim

SEEDS, BATCHES, ROWS = list(range(8)), 19, 597
PAPER = {0.0: (150.0, 0.95), 25.0: (110.0, 0.95), 2500.0: (50.0, 0.6)}
VARIANTS = ("float32", "unroll")


def write(root: Path, arm: str, variant: str, metric: str, table: np.ndarray) -> None:
    folder = root / "evaluations/digits" / arm / variant / metric
    folder.mkdir(parents=True)
    told = {
        "dataset": "digits", "learner": arm, "variant": variant, "metric": metric,
        "unit": "u", "replicate": "r", "better": "lower", "replicates": table.shape[1],
        "seeds": SEEDS, "mode": "exact", "per_seed": [],
        "value": {"mean": 0, "low": 0, "high": 0, "of": "seeds"},
    }  # fmt: skip
    rows = Rows.of(dict(zip(SEEDS, table, strict=True)))
    write_measured(folder, rows, told)


def look(root: Path, **changes: tuple[float, float]) -> Outcome:
    draw = np.random.default_rng(0)
    arms = PAPER | {float(k[1:]): v for k, v in changes.items()}
    luck = draw.normal(0, 0.04, (len(SEEDS), 1))  # of a seed, which the arms share
    for weight, (asked, right) in arms.items():
        arm = f"local_reg_nde-weight{weight:g}"
        each = luck + draw.normal(0, 0.02, (len(SEEDS), BATCHES))
        hits = np.arange(ROWS) < right * ROWS + np.arange(len(SEEDS))[:, None]
        for variant in VARIANTS:
            write(root, arm, variant, "evaluations", asked * np.exp(each))
            write(root, arm, variant, "accuracy", hits.astype(np.float64))
    study = {"seeds": SEEDS, "datasets": ["digits"], "variants": list(VARIANTS)}
    outcome: Outcome = claim("local_reg_nde").outcome(Results({"study": study}, root))
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.refused == []
    assert outcome.verdict == "shown"
    figure = outcome.primary.figure
    assert figure.value == pytest.approx(np.log(150 / 110), abs=0.02)
    assert (figure.n, figure.of) == (len(SEEDS), "training seeds")
    said = {f.name: f.value for f in outcome.figures}
    assert said["evaluations, weight 0"] == pytest.approx(150, rel=0.05)
    assert said["evaluations of the fixed steps, weight 25"] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"w25": (149.0, 0.95)}, "not shown"),
        ({"w25": (110.0, 0.92)}, "range: accuracy of weight 25 - none"),
        ({"w0": (150.0, 0.3), "w25": (110.0, 0.3)}, "competence: accuracy of none"),
        ({"w2500": (151.0, 0.6)}, "headroom: none - weight 2500"),
    ],
)
def test_what_is_not_so_is_said(
    tmp_path: Path, changes: dict[str, tuple[float, float]], words: str
):
    outcome = look(tmp_path, **changes)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)


def test_an_arm_that_is_missing_is_named(tmp_path: Path):
    look(tmp_path)
    study = {"seeds": SEEDS, "datasets": ["digits"], "variants": ["float32"]}
    with pytest.raises(RefusedError, match="no evaluations of local_reg_nde-weight7"):
        claim("local_reg_nde", weight=7.0).outcome(Results({"study": study}, tmp_path))
