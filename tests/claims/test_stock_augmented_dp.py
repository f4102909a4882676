"""What the claim sees in made-up laws."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims import GATES, Outcome
from tests.beds.harness import claim, results

PAPER = {
    "worst": -6.0,
    "worst_without_stock": -6.9,
    "mean": -6.2,
    "again": -6.0,
    "exact": -6.0,
}


def look(root: Path, **changed: float) -> Outcome:
    """The claim's outcome where the worst halves are as told, within about 0.02."""
    draw, folder = np.random.default_rng(0), root / "beds/stock_augmented_dp"
    folder.mkdir(parents=True)

    def spread(value: float) -> list[float]:
        return (value + 0.02 * draw.normal(size=10)).tolist()

    jobs = [
        {
            "name": arm,
            "settings": {"arm": arm},
            "result": {"worst": spread(value), "mean": spread(-4.5)},
        }
        for arm, value in (PAPER | changed).items()
    ]
    left = {"bed": folder.name, "parameters": {}, "jobs": jobs}
    write_sealed(folder / "results.json", left)
    outcome: Outcome = claim("stock_augmented_dp").outcome(results(root))
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.refused == []
    assert outcome.verdict == "shown"
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    assert outcome.primary.figure.value == pytest.approx(0.9, abs=0.02)
    rows = {figure.name: figure.value for figure in outcome.figures}
    assert len(rows) == len(outcome.figures)
    assert rows["worst - mean, worst half"] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"worst": -6.5, "again": -6.5, "worst_without_stock": -6.4}, "not shown"),
        ({"exact": -6.9}, "competence: exact - random actions"),
        ({"worst_without_stock": -6.0}, "headroom: exact - worst_without_stock"),
        ({"worst_without_stock": -6.01}, "range: worst_without_stock"),
        ({"again": -6.5}, "noise: worst - again"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, float], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)
