"""A metric's table and figures: read as they were written, or refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.measured import Rows, read_measured, write_measured
from tasks.artifacts.predictor_parity import probes

TOLD = {
    "dataset": "d", "learner": "l", "variant": "float32", "metric": "m", "unit": "u",
    "replicate": "row", "better": "lower", "replicates": 3, "seeds": [0, 4],
    "value": {"mean": 1, "low": 0, "high": 2, "of": "seeds"}, "per_seed": [],
    "mode": "exact",
}  # fmt: skip
TABLE = Rows.of({4: np.array([3.0, 4, 5]), 0: np.array([0.0, 1, 2])})


def test_read_as_written(tmp_path: Path):
    write_measured(tmp_path, TABLE, TOLD)
    rows, told = read_measured(tmp_path, "dvc repro")
    assert rows.table().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (rows.seeds, told["better"]) == ([0, 4], "lower")


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        (TABLE, {"better": "more"}, "better: found more, expected higher or lower"),
        (TABLE, {"replicates": 4}, "rows: found 6, expected 8"),
        (TABLE, {"seeds": [0, 5]}, "seed: found others"),
        (TABLE, {"unit": 3}, "unit"),
        (Rows.of({0: np.full(3, np.nan), 4: np.zeros(3)}), {}, "value: found others"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, rows: Rows, changes: dict[str, Any], said: str
):
    write_measured(tmp_path, rows, {**TOLD, **changes})
    with pytest.raises(RefusedError, match=said):
        read_measured(tmp_path, "dvc repro")


def test_a_changed_table_or_figure_is_refused(tmp_path: Path):
    write_measured(tmp_path, TABLE, TOLD)
    path = tmp_path / "metrics.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "unit": "x"}), encoding="utf-8")
    with pytest.raises(RefusedError, match="self_sha256"):
        read_measured(tmp_path, "dvc repro")
    write_measured(tmp_path, TABLE, TOLD)
    (tmp_path / "rows.parquet").write_bytes(b"")
    with pytest.raises(RefusedError, match=r"rows\.parquet: sha256"):
        read_measured(tmp_path, "dvc repro")


def test_numbers_are_stretched_and_names_stay_names():
    """Extremes and random rows of floats; what counts something is never made up."""
    draw = np.random.default_rng(0)
    real = {
        "image": draw.random((1000, 2, 3), np.float32),
        "token": draw.integers(0, 5, (1000, 7)),
    }
    made = probes(real, draw)
    assert len(made["image"]) == len(made["token"]) == 1000 + 4 * 6 + 256
    assert made["image"].shape[1:] == (2, 3)
    assert np.array_equal(made["token"][:1000], real["token"])
    assert made["token"].min() >= 0
    assert made["token"].max() < 5
    assert made["image"].max() > 2
    alone = probes({"token": real["token"]}, draw)
    assert np.array_equal(alone["token"], real["token"])
