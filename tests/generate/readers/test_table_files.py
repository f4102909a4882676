"""Tables as files: signs and encodings, a row an episode, damage and false sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from gymnasium.spaces import Discrete
from pyarrow import csv, parquet

from tasks.generate.imported.readers import table
from tests.generate.readers.reading import read, read_or_refused, refusal

SAID = {"episode": "run", "obs": "x", "action": "u"}
LISTS = {
    "observations": [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]],
    "actions": [[[0.5], [0.25]], [[0.125]]],
    "rewards": [[1.0, 2.0], [3.0]],
    "dones": [[False, True], [False]],
}


def write(folder: Path, text: str, name: str = "logs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def written(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    parquet.write_table(pa.table(columns), folder / "a.parquet", **options)
    return folder / "a.parquet"


def test_a_german_table(tmp_path: Path):
    lines = "\ufeffrun;x;u\n1;0,5;1,25\n1;1,5;2,5\n"
    said = {"episode": "run", "obs": "x", "action": "u", "decimal": ","}
    (log,), logs = read(table, write(tmp_path, lines), map=said)
    assert log.observations[""].ravel().tolist() == [0.5, 1.5]
    assert "delimiter: ';'" in logs.notes
    said.pop("decimal")
    assert "row 1, x: found '0,5'" in refusal(table, write(tmp_path, lines), map=said)


@pytest.mark.parametrize(
    "content",
    [b"", b"x\n1\n", b"\x89HDF\r\n", b'{"a": 1, "b": 2}\n', b"x,\xff\n1,2\n", b"a\0,b"],
)
def test_what_is_no_table_is_not_taken_for_one(tmp_path: Path, content: bytes):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert not table.recognises(path)
    assert not table.recognises(tmp_path)
    assert not table.recognises(tmp_path / "missing")
    assert "found no CSV" in refusal(table, path)


def test_a_table_without_rows_is_refused(tmp_path: Path):
    line = refusal(table, write(tmp_path, "run,x,u\n"), map=SAID)
    assert "rows: found none, expected at least one" in line
    path = written(tmp_path, {"run": pa.array([], pa.int64()), "x": [], "u": []})
    assert "rows: found none" in refusal(table, path, map=SAID)


def test_a_row_an_episode(tmp_path: Path):
    said = {"obs": "observations", "action": "actions", "reward": "rewards"}
    said |= {"terminated": "dones"}
    first, second = read(table, written(tmp_path, LISTS), map=said)[0]
    assert first.observations[""].tolist() == LISTS["observations"][0]
    assert first.actions.tolist() == LISTS["actions"][0]
    assert first.rewards is not None
    assert first.rewards.tolist() == [1.0, 2.0]
    assert (first.terminated, first.truncated) == (True, None)
    assert (second.terminated, second.truncated) == (False, None)
    assert second.where == "row 2"
    # without a map it is not known what dones means
    first, _ = read(table, written(tmp_path, LISTS))[0]
    assert (first.terminated, first.truncated) == (None, None)


@pytest.mark.parametrize(
    ("name", "cells", "line"),
    [
        (
            "rewards",
            [[1.0, 2.0], [3.0, 4.0]],
            "row 2, rewards: found 2 steps, expected",
        ),
        ("actions", [[[0.5]], [[0.1]]], "row 1, actions: found 1 steps, expected 2"),
        ("observations", [[[0.0], [1.0, 2.0]], [[3.0]]], "step 2 of all rows, obs"),
        ("observations", [[], [[3.0, 4.0]]], "row 1, observations: found no steps"),
        ("observations", [None, [[3.0, 4.0]]], "row 1, observations: found no steps"),
        (
            "rewards",
            [["a", "b"], ["c"]],
            "row 1, rewards: found 'a', expected a number",
        ),
        ("rewards", [[1.0, 2.0], [float("inf")]], "row 2, rewards: found an infinity"),
    ],
)
def test_rows_of_an_episode_whose_lists_do_not_fit(
    tmp_path: Path, name: str, cells: Any, line: str
):
    assert line in refusal(table, written(tmp_path, LISTS | {name: cells}))


@pytest.mark.parametrize(
    ("name", "cells", "line"),
    [
        (
            "rewards",
            [1.0, 2.0],
            "rewards: found values of type double, expected a list",
        ),
        (
            "actions",
            [[{"a": 1}] * 2, [{"a": 1}]],
            "actions: found values of type struct",
        ),
    ],
)
def test_cells_of_another_kind(tmp_path: Path, name: str, cells: Any, line: str):
    assert line in refusal(table, written(tmp_path, LISTS | {name: cells}))


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (pa.array(["a", "b"], pa.large_string()), "row 1, x: found 'a', expected a"),
        (pa.array([b"a", b"b"]), "x: found values of type binary, expected numbers"),
        (pa.array([{"a": 1}] * 2), "x: found values of type struct"),
        (pa.array([1, 2], pa.duration("s")), "x: found values of type duration[s]"),
    ],
)
def test_columns_of_another_kind(tmp_path: Path, cells: Any, line: str):
    columns = {"run": [1, 1], "x": cells, "u": [0.5, 0.5]}
    assert line in refusal(table, written(tmp_path, columns), map=SAID)


def test_numbers_of_other_kinds_are_numbers(tmp_path: Path):
    kinds = [
        pa.array([1, 2], pa.uint8()),
        pa.array([1, 2], pa.decimal128(10, 3)),
        pa.array([1, 2]).dictionary_encode(),
        pa.array([1.0, 2.0], pa.float16()),
    ]
    for cells in kinds:
        path = written(tmp_path, {"run": [1, 1], "x": cells, "u": [0.5, 0.5]})
        (log,), _ = read(table, path, map=SAID)
        assert log.observations[""].ravel().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        ([1.0, float("nan")], "run: found nan, expected a value in each row"),
        ([[1], [2]], "run: found "),
    ],
)
def test_episodes_without_a_name(tmp_path: Path, cells: Any, line: str):
    columns = {"run": cells, "x": [1, 2], "u": [0.5, 0.5]}
    assert line in refusal(table, written(tmp_path, columns), map=SAID)


def test_choices_of_a_row_an_episode(tmp_path: Path):
    columns = LISTS | {"actions": [[2.0, 0.0], [1.0]]}
    said = {"obs": "observations"}
    said |= {"action": {"column": "actions", "discrete": True}}
    _, logs = read(table, written(tmp_path, columns), map=said)
    assert logs.action_space == Discrete(3)


def test_text_is_kept_as_distinct_words(tmp_path: Path):
    word = "w" * 100_000  # a thousand times in memory would be 100 MB, of one row 0.1
    columns = {"run": [word] * 1000, "x": np.arange(1000), "u": [0.5] * 1000}
    path = written(tmp_path, columns)
    opened = table.Table(path)
    opened.read(["run"])
    assert opened.columns.nbytes < 1_000_000
    (log,), _ = read(table, path, map=SAID)
    assert len(log.actions) == 1000


def test_a_small_file_that_states_far_more_than_it_holds(tmp_path: Path):
    count = 20_000_000
    columns = {name: np.zeros(count, np.int8) for name in ("run", "x", "u")}
    path = written(tmp_path, columns, row_group_size=count)
    assert path.stat().st_size < 480_000_000 / 1000
    line = refusal(table, path, map=SAID)
    assert "numbers: found 480000000 bytes, expected at most" in line


def test_damaged_files_are_read_or_refused(tmp_path: Path):
    rng = np.random.default_rng(0)
    columns = {
        "run": np.repeat(["a", "b"], 50),
        "x": rng.normal(size=100),
        "u": rng.normal(size=100),
    }
    csv.write_csv(pa.table(columns), tmp_path / "a.csv")
    for path in (tmp_path / "a.csv", written(tmp_path, columns)):
        content = path.read_bytes()
        for _ in range(150):
            at = int(rng.integers(len(content)))
            path.write_bytes(content[:at])
            read_or_refused(table, path, map=SAID)
            spoilt = bytearray(content)
            spoilt[at : at + 4] = rng.bytes(4)
            path.write_bytes(spoilt)
            read_or_refused(table, path, map=SAID)
