"""The list of studies that ran here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.studies import studies
from tasks.artifacts.errors import RefusedError

ROOT = Path(__file__).parents[2]
SHIP = {
    "ship": "iql / w8",
    "ship_bytes": 23388.0,
    "ship_score": 43.6,
    "ship_low": 42.4,
    "ship_high": 44.9,
}


def kept(root: Path, name: str, when: float, metrics: str) -> Path:
    folder = root / "data/experiments" / name
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<html>")
    (folder / "metrics.json").write_text(metrics)
    os.utime(folder / "index.html", (when, when))
    return folder / "index.html"


def test_the_newest_study_comes_first(tmp_path: Path):
    old = kept(tmp_path, "logs-1", 1e9, json.dumps({"files": 12}))
    new = kept(tmp_path, "quickstart-2", 1.5e9, json.dumps(SHIP))
    rows = studies(tmp_path)
    assert rows[0][1:] == (
        *("quickstart-2", "iql / w8", "44 [42, 45]", "23,388"),
        str(new.relative_to(tmp_path)),
    )
    place = str(old.relative_to(tmp_path))
    assert rows[1][1:] == ("logs-1", "12 files, no world", "", "", place)
    assert rows[0][0].startswith("2017-07-1")


def test_where_nothing_held_the_best_learner_stands(tmp_path: Path):
    metrics = {"ship": "nothing", "best": "iql", "best_score": 43.6, "held": 0}
    kept(tmp_path, "hard-1", 1e9, json.dumps(metrics))
    assert studies(tmp_path)[0][2:5] == ("nothing; best iql", "44", "")


def test_metrics_that_are_cut_are_refused(tmp_path: Path):
    kept(tmp_path, "cut", 1e9, '{"ship": "iq')
    with pytest.raises(RefusedError, match="metrics.json"):
        studies(tmp_path)


def test_a_clone_without_studies_says_so(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "flows.studies"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "no study has run here: make study NAME=...\n"
