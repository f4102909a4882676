"""The notebook in docs/ runs on what a study left, and its numbers are the report's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.evaluation import Episodes
from tasks.statistics.intervals import iqm, t_interval
from tests.study_files import SEEDS, episodes, write_study

NOTEBOOK = Path(__file__).parents[1] / "docs/results.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *, pictures: bool) -> dict:
    """Run the cells on a study of hopper, and hand out what they define."""
    write_study(root, {"hopper_medium": "hopper"}, learners=("bc", "iql"))
    (root / "docs").mkdir()
    monkeypatch.chdir(root / "docs")
    found: dict[str, Any] = {}
    for cell in CODE:
        if pictures or "picture" not in cell["metadata"].get("tags", []):
            exec("".join(cell["source"]), found)  # noqa: S102, the project's own
    return found


def returns(learner: str, change: float) -> Episodes:
    return episodes("hopper_medium", "hopper", learner, change)[0]


def test_its_numbers_are_the_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = run(tmp_path, monkeypatch, pictures=False)
    assert len(found["episodes"]) == 2 * 6 * len(returns("bc", 0.0).returns)
    row = found["policies"].loc["hopper_medium", "iql", "gptq4"]
    score = (returns("iql", -4.5).table() - 18) / 26
    ends = t_interval(iqm(score), 0.95)
    assert row["mean"] == pytest.approx(iqm(score).mean())
    assert (row["low"], row["high"]) == pytest.approx(ends)
    assert row["bytes"] == 64
    paired = found["change"].groupby("learner").mean()
    expected = (returns("iql", -4.5).returns - returns("iql", 0.0).returns) / 26
    assert paired.loc["iql", "gptq4"] == pytest.approx(np.mean(expected))
    assert list(found["curves"]) == [("hopper_medium", "bc"), ("hopper_medium", "iql")]
    assert list(found["losses"]) == ["iql"]
    assert len(found["seeds"].unstack("seed").columns) == len(SEEDS)


def test_its_pictures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    matplotlib = pytest.importorskip("matplotlib")  # of the extra `notebook`
    matplotlib.use("agg")
    found = run(tmp_path, monkeypatch, pictures=True)
    assert len(found["axes"].get_legend_handles_labels()[0]) == 2


def test_it_is_small_has_been_run_and_shows_no_place_of_a_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text.encode()) < 100_000
    assert [cell["execution_count"] for cell in CODE] == [*range(1, len(CODE) + 1)]
    outputs = [output for cell in CODE for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] in ("error", "stream")]
    said = json.dumps([o.get("data", {}).get("text/plain") for o in outputs])
    assert "/home/" not in said
    assert "/tmp/" not in said  # noqa: S108, no file of ours
