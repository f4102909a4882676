"""What the claim sees in made-up scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims import Outcome
from tests.beds.harness import claim, results

PAPER = {
    "dsac_t": (90.0, 85.0),
    "dsac_v1": (88.0, 20.0),
    "dsac_v1_scaled": (86.0, 80.0),
    "sac": (80.0, 75.0),
    "dsac_t_paper": (90.0, 88.0),
}


def look(root: Path, **scores: tuple[float, float]) -> Outcome:
    draw = np.random.default_rng(0)

    def table(*means: float, spread: float = 1.0) -> list[list[float]]:
        return [(m + spread * draw.normal(size=10)).tolist() for m in means]

    def result(means: tuple[float, float]) -> dict[str, Any]:
        told = {
            "clipped": table(0.1, 0.9, spread=0.01),
            "deviation": table(1, 2),
            "temperature": table(1, 1),
            "value": table(1, 1),
        }
        noise = table(0, 0)
        return {"score": table(*means), "noise": noise, "first": told, "last": told}

    arms = PAPER | scores
    jobs = [
        {"name": arm, "settings": {"arm": arm}, "result": result(means)}
        for arm, means in arms.items()
    ]
    parameters = {"scales": [0.1, 10.0]}
    content = {"schema": 1, "bed": "dsac_t", "parameters": parameters, "jobs": jobs}
    folder = root / "beds/dsac_t"
    folder.mkdir(parents=True)
    write_sealed(folder / "results.json", content)
    outcome: Outcome = claim("dsac_t").outcome(results(root))
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.verdict == "shown"
    assert outcome.primary.figure.value == pytest.approx(65, abs=3)
    assert outcome.primary.figure.n == 10
    rows = {figure.name: figure.value for figure in outcome.figures}
    assert rows["dsac_v1, rewards x 10"] == pytest.approx(20, abs=1)
    assert rows["dsac_v1, rewards x 10: clipped, at first"] == pytest.approx(
        0.9, abs=0.1
    )


def test_the_worse_scale_is_each_seeds_own(tmp_path: Path):
    outcome = look(tmp_path, dsac_t=(85.0, 90.0), dsac_v1=(20.0, 88.0))
    assert outcome.primary.figure.value == pytest.approx(65, abs=3)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"dsac_t": (90.0, 10.0)}, "not shown"),
        ({"dsac_v1": (88.0, 85.0)}, "headroom: dsac_v1_scaled - dsac_v1"),
        ({"dsac_v1": (97.0, 97.0)}, "range: dsac_v1, the worse scale"),
        ({"dsac_v1_scaled": (0.0, 0.0)}, "competence: dsac_v1_scaled"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, Any], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)
