"""What the claim sees in made-up returns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims import Outcome
from tasks.claims.engine.results import Results
from tests.beds.harness import claim

PAPER = {"plain": 100, "stream_x": 300, "fixed": 150, "traced": 30}
PAPER |= {"again": 104, "replay": 250}


def look(root: Path, fell: float = 0.1, **last: float) -> Outcome:
    draw = np.random.default_rng(0)
    jobs = []
    for arm, value in (PAPER | last).items():
        rising = np.linspace(0.2, 1, 5) * value
        course = np.maximum(rising + draw.normal(size=(10, 5)), 0)
        result: dict[str, Any] = {"course": course.tolist(), "fell": [fell] * 10}
        jobs.append({"name": arm, "settings": {"arm": arm}, "result": result})
    world = {"max_steps": 500, "ref_min": 23.0}
    content = {"schema": 1, "bed": "stream_x", "parameters": {"world": world}}
    (root / "beds/stream_x").mkdir(parents=True)
    write_sealed(root / "beds/stream_x/results.json", {**content, "jobs": jobs})
    outcome: Outcome = claim("stream_x").outcome(Results({}, root))
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.verdict == "shown"
    figure = outcome.primary.figure
    assert figure.value == pytest.approx(200, abs=2)
    assert (figure.n, figure.of, figure.unit) == (10, "training seeds", "return")
    rows = {figure.name: figure.value for figure in outcome.figures}
    assert rows["stream_x - fixed, last fifth"] == pytest.approx(150, abs=2)
    assert rows["fixed, fifth 1 of the steps"] == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"stream_x": 80.0}, "not shown"),
        ({"replay": 20.0}, "competence: replay - random actions"),
        ({"replay": 90.0}, "headroom: replay - plain"),
        ({"plain": 9.0, "again": 9.0}, "range: plain"),
        ({"fell": 0.95}, "range: replay, points below 100"),
        ({"again": 230.0}, "noise: again - plain"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, Any], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)
