"""The bed of the nine datasets and its loop, from end to end, and its claim."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.claims import GATES
from tests.beds.archive_files import SMALL, design, write_archive
from tests.beds.harness import ROOT, claim, results, run

NAMES = [f"{name}_0" for name in design().names]


def kept(root: Path) -> dict[Path, int]:
    """The results that are kept, with their times."""
    files = (root / ".offcut/beds/qdc_metrics").glob("*.json")
    return {file: file.stat().st_mtime_ns for file in files}


def test_the_nine_are_measured_learned_from_tested_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    archive = write_archive(tmp_path / "archive")
    small: dict[str, Any] = {**SMALL, "needs_dataset": str(archive)}
    left = run("qdc_metrics", tmp_path, monkeypatch, **small)
    assert [job.name for job in left.jobs] == [*NAMES, "text"]
    judge = claim("qdc_metrics", resamples=100, n=9)
    found = judge.outcome(results(tmp_path / "data"))
    assert {gate.kind for gate in found.gates} == set(GATES)
    values = {figure.name: figure.value for figure in found.figures}
    assert all(np.isfinite(value) for value in values.values())
    assert {f"{name}, OOD: distance" for name in NAMES} <= set(values)
    assert values["noisy_all_0: quality"] < values["top_all_0: quality"]
    assert values["top_one_0: diversity"] < values["top_all_0: diversity"]
    before = kept(tmp_path)
    assert len(before) == 10
    next(iter(before)).unlink()  # as a run that was killed before its last job
    (folder,) = (
        f for f in (tmp_path / ".offcut/beds/qdc_metrics").iterdir() if f.is_dir()
    )
    time = folder.stat().st_mtime_ns
    assert run("qdc_metrics", tmp_path, monkeypatch, **small) == left
    after = kept(tmp_path)
    assert sum(before[file] == after[file] for file in before) == 9
    assert folder.stat().st_mtime_ns == time  # the datasets are not made again
    # another rate of the language model is no reason to play again
    run("qdc_metrics", tmp_path, monkeypatch, **small | {"text_rate": 2e-2})
    assert len(kept(tmp_path)) == 11
    assert folder.stat().st_mtime_ns == time


def test_a_study_that_measures_nothing_is_refused():
    without = ["study=qdc_metrics", "~measure@measure.qdc_metrics"]
    with pytest.raises(RefusedError, match="qdc_metrics"):
        composed(without, ROOT / "params")
