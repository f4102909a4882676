"""Regret on the page: beside the scores, smaller is better, no percent of anything."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.report.__main__ import main
from tasks.report.cores.words import MINUS
from tests.browser import text
from tests.study_files import SEEDS, dump_sealed, state_curves

Make = Callable[..., Path]
LOST = {"bc": [0.0, 0.0, 0.0], "iql": [0.25, 0.25, 0.1]}


def block(values: list[float]) -> dict[str, Any]:
    """What evaluate says of the files of three trials."""
    each = [{"seed": k, "regret": v} for k, v in zip(SEEDS, values, strict=True)]
    mean = sum(values) / 3
    return {
        "unit": "reward a step",
        "replicate": "trial",
        "n": 3,
        "computed": "in closed form",
        "optimum": 0.3046,
        "mean": mean,
        "low": mean - 0.05,
        "high": mean + 0.05,
        "per_seed": each,
    }


def tell(root: Path, dataset: str, learner: str, values: list[float]) -> None:
    """Make a table of a learner: regret in its curves, and of its files."""
    path = root / "policies" / dataset / learner / "curves.csv"
    rows = [
        f"{update},{seed},{update * value},0.5"
        for update in (500, 1000)
        for seed, value in zip(SEEDS, values, strict=True)
    ]
    path.write_text("\n".join(["update,seed,regret,best_arm", *rows]) + "\n")
    state_curves(path)
    path = root / "evaluations" / dataset / learner / "float32/metrics.json"
    dump_sealed(path, json.loads(path.read_text()) | {"regret": block(values)})


@pytest.fixture
def said(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a page says of regret; empty where it says nothing."""
    monkeypatch.setattr(sys, "argv", ["report"])

    def read(**lost: list[float]) -> str:
        root = make_study(learners=("bc", "iql"), variants=("float32",))
        for learner, values in lost.items():
            tell(root / "data", "hopper_mixed", learner, values)
        main()
        drawn = (root / "data/report/index.html").read_text(encoding="utf-8")
        own = re.search(r'<section id="regret">(.*?)</section>', drawn, re.DOTALL)
        assert bool(own) == ('href="#regret"' in drawn)
        return text(own[1]) if own else ""

    return read


def test_tables_stand_with_what_is_missing_to_the_best(said: Callable[..., str]):
    page = said(**LOST).replace(MINUS, "-")
    assert "smaller is better" in page
    assert "worth 0.305 reward a step (in closed form)" in page
    # after 1,000 steps the trials lost 250, 250 and 100
    assert re.search(r"iql 1.000 200 \[-15\.\d+, 415\] 250 0\.2 \[0\.15, 0\.25\]", page)
    assert re.search(r"bc 1.000 0 \[0, 0\] 0 0 \[-0\.05, 0\.05\]", page)
    table = json.loads(Path("data/report/table.json").read_text())
    row = table["hopper_mixed"]["iql"]["float32"]
    assert [row[f"regret{end}"] for end in ("", "_low", "_high")] == [0.2, 0.15, 0.25]


def test_without_tables_the_page_says_nothing(said: Callable[..., str]):
    assert said() == ""
    assert "bc" not in said(iql=LOST["iql"])
