"""What the claim sees in made-up scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims import Outcome
from tasks.claims.engine.results import Results
from tests.beds.harness import claim

MIXES = ("few", "more")
PAPER = {"uniform": 15, "even": 16, "rw": 85, "aw": 80, "oracle": 90, "bc": 5}


def left(root: Path, name: str, jobs: dict[tuple[str, str], float], **more: Any) -> Any:
    """A bed in which an arm on some data scores about so much, over 8 replicates."""
    draw = np.random.default_rng(0)

    def result(score: float) -> dict[str, Any]:
        reached = {"share": 0.2, "value": 40.0, "data_value": 25.0}
        told = {
            "score": score + draw.normal(size=8),
            "noise": draw.normal(size=8),
            "fell": np.full(8, 0.2),
            "data": np.full(8, 3.0),
        }
        lists = {key: values.tolist() for key, values in told.items()}
        return {**lists, "horizon": reached | more}

    content = {
        "schema": 1,
        "bed": name,
        "parameters": {"mixtures": dict.fromkeys(MIXES)},
        "jobs": [
            {
                "name": f"{arm} on {data}",
                "settings": {"arm": arm, "data": data},
                "result": result(score),
            }
            for (arm, data), score in jobs.items()
        ],
    }
    (root / "beds" / name).mkdir(parents=True)
    write_sealed(root / "beds" / name / "results.json", content)
    return Results({}, root)


def look(root: Path, more: dict[str, float] | None = None, **scores: float) -> Outcome:
    jobs = {(arm, mix): x for arm, x in (PAPER | scores).items() for mix in MIXES}
    results = left(root, "trajectory_weighting", jobs, **(more or {}))
    outcome: Outcome = claim("trajectory_weighting").outcome(results)
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.verdict == "shown"
    assert outcome.primary.figure.value == pytest.approx(65, abs=1)
    assert outcome.primary.figure.n == 8
    rows = {figure.name: figure.value for figure in outcome.figures}
    assert rows["aw - rw, mean of the mixtures"] == pytest.approx(-5, abs=1)
    assert rows["the data's mean, few"] == 3


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"aw": 24.0}, "not shown"),
        ({"oracle": 4.0}, "competence: oracle - bc"),
        ({"oracle": 15.0}, "headroom: oracle - uniform"),
        ({"uniform": 96.0, "oracle": 99.0}, "range: uniform"),
        ({"even": 40.0}, "noise: even - uniform"),
        ({"more": {"value": 19.0}}, "competence: oracle, few: share of the critics"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, Any], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert outcome.verdict == "bed refused"
        assert any(reason.startswith(words) for reason in outcome.refused)
