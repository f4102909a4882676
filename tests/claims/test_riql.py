"""What the claim sees in made-up scores."""

from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.sealed import read_sealed, write_sealed
from tasks.claims import Outcome
from tests.beds.harness import claim
from tests.claims.test_trajectory_weighting import left

WRONG = ("obs", "act", "rew", "next_obs")
PAPER = {"iql": 30, "riql": 36, "bc": 8, "normalised": 34}


def look(root: Path, clean: float = 43.0, **scores: float) -> Outcome:
    every = PAPER | scores
    jobs = {(arm, kind): float(x) for arm, x in every.items() for kind in WRONG}
    jobs |= {(arm, "clean"): clean if arm != "bc" else 10.0 for arm in every}
    results = left(root, "riql", jobs)
    path = root / "beds/riql/results.json"
    content: dict[str, Any] = read_sealed(path, "make")
    content["parameters"] = {"fields": dict.fromkeys(WRONG)}
    write_sealed(path, content)
    outcome: Outcome = claim("riql").outcome(results)
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.verdict == "shown"
    assert outcome.primary.figure.value == pytest.approx(6, abs=0.5)
    rows = {figure.name: figure.value for figure in outcome.figures}
    assert rows["riql - normalised, mean of the corruptions"] == pytest.approx(2, abs=1)
    assert rows["riql, clean"] == pytest.approx(43, abs=1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"riql": 25.0}, "not shown"),
        ({"clean": 19.0}, "competence: iql - bc"),
        ({"iql": 44.0, "riql": 50.0}, "headroom: iql, clean - corrupted"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, Any], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)
