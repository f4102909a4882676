"""Tables of parquet: types, rows and gaps are looked at before they are believed."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from tasks.artifacts.columns import read_columns
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tests.artifacts.mutations import spoilt_bytes

COLUMNS: dict[str, Any] = {
    "seed": [0, 0, 1, 1],
    "episode": [0, 1, 0, 1],
    "start_seed": [5, 6, 5, 6],
    "return": [1.0, 2.0, 3.0, 4.0],
    "length": [3, 3, 3, 3],
    "terminated": [True, False, True, False],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "episodes.parquet")
    return tmp_path / "episodes.parquet"


def test_a_table_of_episodes_is_read(path: Path):
    assert Episodes.read(path).table().tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"return": ["a", "b", "c", "d"]}, "return: found string, expected double"),
        ({"return": [1.0, None, 3.0, 4.0]}, "return: found a gap"),
        ({"return": [1.0, np.nan, 3.0, 4.0]}, "return: found nan, expected finite"),
        ({"return": [[1.0]] * 4}, "return: found list"),
        ({"seed": [0.0, 0.0, 1.0, 1.0]}, "seed: found double, expected int64"),
        ({"seed": [0, 1, 1, 1]}, "seed, episode: found 4 rows of 2 seeds"),
        ({"episode": [0, 1, 1, 0]}, "seed, episode: found"),
        ({"more": [0] * 4}, "columns: found"),
    ],
)
def test_another_table_is_refused(path: Path, changes: dict[str, Any], match: str):
    parquet.write_table(pyarrow.table(COLUMNS | changes), path)
    with pytest.raises(RefusedError, match=match) as caught:
        Episodes.read(path)
    assert "\n" not in str(caught.value)


def test_a_table_without_rows_or_columns_is_refused(path: Path):
    parquet.write_table(pyarrow.table(COLUMNS).slice(0, 0), path)
    with pytest.raises(RefusedError, match="found 0 rows"):
        Episodes.read(path)
    parquet.write_table(pyarrow.table({}), path)
    with pytest.raises(RefusedError, match="columns: found"):
        Episodes.read(path)


def test_another_number_of_rows_is_refused_before_they_are_read(path: Path):
    parquet.write_table(pyarrow.table({"x": np.zeros(10**6)}), path)
    with pytest.raises(RefusedError, match="rows: found 1000000, expected 9"):
        read_columns(path, {"x": "double"}, "mend", 9)
    assert len(read_columns(path, {"x": "double"}, "mend", 10**6)["x"]) == 10**6


def test_a_missing_file_or_a_folder_is_refused(path: Path):
    for place in (path.parent, path.parent / "none"):
        with pytest.raises(RefusedError, match="file: found nothing"):
            Episodes.read(place)


def test_a_damaged_table_is_refused_or_read(path: Path):
    for version in spoilt_bytes(path.read_bytes(), 300, np.random.default_rng(0)):
        path.write_bytes(version)
        with contextlib.suppress(RefusedError):
            Episodes.read(path)
