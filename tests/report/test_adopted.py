"""Policies that were trained elsewhere: no curves, and the page says so."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.report.__main__ import main
from tests.browser import text
from tests.report.test_logs import unplay

SAID = "not made here: Stable-Baselines3 SAC; not verified"


@pytest.fixture
def root(make_study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["report"])
    root = make_study(learners=("bc", "iql"), variants=("float32", "gptq4"))
    (root / "data/policies/hopper_mixed/iql/curves.csv").unlink()
    for path in (root / "data/onnx/hopper_mixed/iql").rglob("*.json"):
        contract = json.loads(path.read_text())
        kind = {"format": "Stable-Baselines3 SAC", "sha256": "ab" * 32}
        contract["adopted"] = {**kind, "verified": "not verified"}
        path.write_text(json.dumps(contract))
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["study"] |= {"learners": ["bc"], "adopted": ["iql"]}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return root


@pytest.mark.parametrize("played", [True, False])
def test_the_page_says_that_it_was_not_made_here(root: Path, played: bool):
    if not played:
        unplay(root)
    main()
    page = text((root / "data/report/index.html").read_text())
    assert page.count(SAID) == 1


def test_curves_are_missed_of_what_was_trained_alone(root: Path):
    (root / "data/policies/hopper_mixed/bc/curves.csv").unlink()
    with pytest.raises(RefusedError, match="bc/curves.csv"):
        main()
