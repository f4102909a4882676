"""What the claim sees in a made-up study."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims import Outcome
from tests.beds.harness import claim
from tests.claims.results_files import write_scores

PAPER = {"ofql": 44.0, "dql": 43.0, "ddim": 10.0, "bc": 20.0}


def look(root: Path, share: float = 3.0, **scores: float) -> Outcome:
    every = {("d", arm): score for arm, score in (PAPER | scores).items()}
    results = write_scores(root, every, length=1000)
    results.params["study"]["learners"] = ["bc", "dql", "ofql"]
    place = root / "evaluations/d"
    shutil.move(place / "ddim/float32", place / "dql/float32-ddim-1")
    write_sealed(root / "datasets/d-v0/card.json", {"score_mean": 21.7})
    for arm in ("bc", "dql", "ofql"):
        origin: dict[str, Any] = {}
        if arm != "bc":
            reached = {"share": share, "value": 50.0, "data_value": 90.0}
            origin["horizon"] = reached
        (root / "policies/d" / arm).mkdir(parents=True)
        write_sealed(root / "policies/d" / arm / "policy.json", {"origin": origin})
    outcome: Outcome = claim("ofql", n=3, pilot_sd=1.0).outcome(results)
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.refused == []
    assert outcome.verdict == "shown"
    assert outcome.primary.figure.value == pytest.approx(1, abs=0.5)
    rows = {figure.name: figure.value for figure in outcome.figures}
    assert rows["dql by one DDIM step, d"] == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ofql": 35.0}, "not shown"),
        ({"bc": 35.0}, "competence: dql - bc"),
        ({"dql": 21.0, "ofql": 21.0, "bc": 2.0}, "competence: dql - the data's mean"),
        ({"share": 0.5}, "competence: ofql, d: share of the critics' horizon"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, float], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)
