"""Tables with one row a step: order, ends, gaps and what is refused by row."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from gymnasium.spaces import Discrete
from pyarrow import csv, parquet

from tasks.generate.imported.readers import table
from tests.generate.readers.reading import read, refusal

MAP = {
    "episode": "run",
    "step": "t",
    "obs": ["x", "y"],
    "action": ["u"],
    "reward": "r",
    "terminated": "done",
    "truncated": "timeout",
}
LINES = """run,t,x,y,u,r,done,timeout
7,0,0.5,1.5,0.1,1.0,0,0
7,1,0.6,1.6,0.2,2.0,0,0
7,2,0.7,1.7,0.3,3.0,1,0
9,0,5.5,6.5,0.4,4.0,0,0
9,1,5.6,6.6,0.5,5.0,0,1
"""


def write(folder: Path, text: str, name: str = "logs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def both(folder: Path, columns: dict[str, Any]) -> list[Path]:
    """A table as CSV and as parquet, written by pyarrow."""
    written = pa.table(columns)
    csv.write_csv(written, folder / "a.csv")
    parquet.write_table(written, folder / "a.parquet")
    return [folder / "a.csv", folder / "a.parquet"]


def test_rows_become_episodes(tmp_path: Path):
    first, second = read(table, write(tmp_path, LINES), map=MAP)[0]
    assert first.observations[""].tolist() == [[0.5, 1.5], [0.6, 1.6], [0.7, 1.7]]
    assert first.actions.tolist() == [[0.1], [0.2], [0.3]]
    assert first.rewards is not None
    assert first.rewards.ravel().tolist() == [1.0, 2.0, 3.0]
    assert (first.terminated, first.truncated) == (True, False)
    assert (second.terminated, second.truncated) == (False, True)
    assert [first.where, second.where] == ["run 7", "run 9"]


def test_a_shuffled_table_gives_the_same_episodes(tmp_path: Path):
    rng = np.random.default_rng(0)
    columns = {
        "run": np.repeat([10, 9, 2], [3, 40, 7]),
        "t": np.concatenate([np.arange(3), np.arange(40), np.arange(7)]),
        "x": rng.normal(size=50),
        "y": rng.normal(size=50),
        "u": rng.normal(size=50),
        "r": rng.normal(size=50),
        "done": np.isin(np.arange(50), [2, 42, 49]),
        "timeout": np.zeros(50, bool),
    }
    order = rng.permutation(50)
    plain = both(tmp_path, columns)
    (tmp_path / "shuffled").mkdir()
    shuffled = both(tmp_path / "shuffled", {k: v[order] for k, v in columns.items()})
    results = [read(table, path, map=MAP) for path in [*plain, *shuffled]]
    for episodes, logs in results:
        assert [log.where for log in episodes] == ["run 2", "run 9", "run 10"]
        for log, other in zip(episodes, results[0][0], strict=True):
            assert (log.observations[""] == other.observations[""]).all()
            assert (log.actions == other.actions).all()
            assert log.terminated is True
        assert "rows sorted by episode and step" in logs.notes


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("7,1,", "7,0,", "row 2, t (run 7, step 1): found step 0 after step 0"),
        ("7,2,", "7,3,", "row 3, t (run 7, step 2): found step 3 after step 1"),
        ("7,1,", "7,1.5,", "t: found values of type float64, expected whole"),
        ("0.6,", "fast,", "row 2, x: found 'fast', expected a number"),
        ("0.6,", "inf,", "row 2, x: found an infinity"),
        ("0.6,", ",", "row 2, x (run 7, step 1): found nothing, expected a number"),
        ("0.6,", "nan,", "row 2, x (run 7, step 1): found nothing"),
        ("0,1\n", "1,1\n0", "Expected 8 columns, got 1"),
        ("2.0,0,0", "2.0,1,0", "row 2, done (run 7, step 1): found an end before it"),
        ("2.0,0,0", "2.0,2,0", "row 2, done: found 2, expected true or false"),
        ("2.0,0,0", "2.0,,0", "row 2, done: found nan, expected true or false"),
        ("7,1,", ",1,", "row 2, run: found nothing, expected a value in each row"),
        ("run,t,x,y", "run,t,x,x", "columns: found 'x', expected names"),
        ("run,t,x,y", "run,t,,y", "columns: found '', expected names"),
        ("run,t,x,y", "run,t,x,z", "map.obs: found 'y', expected one of"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, line: str):
    assert old in LINES
    assert line in refusal(table, write(tmp_path, LINES.replace(old, new, 1)), map=MAP)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"obs": ["x", "x"]}, "map.obs: found 'x', expected each column once"),
        ({"obs": ["x", "u"]}, "map.action: found 'u', expected it once, it is obs too"),
        ({"obs": ["q*"]}, "map.obs: found 'q*', expected to fit one of"),
        ({"obs": []}, "columns: found no column for obs among"),
        ({"obs": {"a": "x"}}, "map.obs: found {'a': 'x'}, expected a column's name"),
        ({"reward": 3}, "map.reward: found 3, expected a column's name"),
        ({"epsiode": "run"}, "map: found 'epsiode', expected one of"),
        ({"dtype": "int8"}, "map.dtype: found 'int8', expected float32 or float64"),
        ({"na": "zero"}, "map.na: found 'zero', expected one of error"),
        ({"gap": 3.0}, "map.gap: found 3.0, expected none without a column of time"),
        ({"gap": -1.0}, "map.gap: found -1.0, expected seconds"),
        ({"decimal": "x"}, "map.decimal: found 'x', expected a point or a comma"),
        ({"action": {"column": "u", "discreet": 1}}, "map.action: found {'column'"),
        ({"next_obs": ["r"]}, "map.next_obs: found 'r', expected it once"),
        ({"infos": ["r"]}, "map.infos: found ['r'], expected names with columns"),
        ({"action": {"column": "u", "discrete": True}}, "row 1, u (run 7, step 0)"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(
    tmp_path: Path, changed: dict[str, Any], line: str
):
    assert line in refusal(table, write(tmp_path, LINES), map=MAP | changed)


def test_gaps_are_filled_or_their_episodes_left_out(tmp_path: Path):
    path = write(tmp_path, LINES.replace("0.6,", ",", 1))
    (first, _), logs = read(table, path, map=MAP | {"na": "ffill"})
    assert first.observations[""][:, 0].tolist() == [0.5, 0.5, 0.7]
    assert "x: 1 gaps filled from above" in logs.notes
    (only,), logs = read(table, path, map=MAP | {"na": "drop_episode"})
    assert only.where == "run 9"
    assert "1 episodes with gaps left out" in logs.notes
    # what stands above is of another episode
    path = write(tmp_path, LINES.replace("5.5,", ",", 1))
    line = refusal(table, path, map=MAP | {"na": "ffill"})
    assert "row 4, x (run 9, step 0): found nothing" in line


def test_names_are_guessed_where_they_say_one_thing(tmp_path: Path):
    head = "Run_ID,timestep,obs_10,obs_2,action[0],Reward,terminated,speed"
    path = write(tmp_path, f"{head}\n1,0,10.0,2.0,0.5,1.0,1,9\n")
    (log,), logs = read(table, path)
    assert log.observations[""].tolist() == [[2.0, 10.0]]
    assert log.actions.tolist() == [[0.5]]
    assert "obs guessed by name: obs_2, obs_10" in logs.notes
    assert "columns not read: speed" in logs.notes
    path = write(tmp_path, f"{head}\n1,0,10.0,2.0,0.5,1.0,0,9\n")
    (log,), _ = read(table, path)
    assert (log.terminated, log.truncated) == (False, None)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (
            "episode,run_id,obs_0,action",
            "found episode or run_id, expected one reading",
        ),
        (
            "episode,state_0,obs_0,action",
            "found obs_0 or state_0, expected one reading",
        ),
        ("episode,x,y,action", "no column for obs among action, episode, x, y"),
        (
            "1.0,2.0,3.0,4.0",
            "row 1: found 1.0, 2.0, 3.0, 4.0, expected a line of names",
        ),
        ("z,obs_0,action,done", "nothing that says where an episode ends"),
    ],
)
def test_an_unclear_head_is_not_guessed(tmp_path: Path, head: str, line: str):
    assert line in refusal(table, write(tmp_path, f"{head}\n1,2,3,4\n"))


def test_without_a_column_of_episodes_rows_end_where_they_say(tmp_path: Path):
    lines = "x,u,done\n0,1,0\n1,1,1\n2,1,0\n3,1,1\n4,1,0\n"
    said = {"obs": "x", "action": "u", "terminated": "done"}
    episodes, _ = read(table, write(tmp_path, lines), map=said)
    assert [log.observations[""].ravel().tolist() for log in episodes] == [
        [0, 1],
        [2, 3],
        [4],
    ]
    assert [log.terminated for log in episodes] == [True, True, False]
    assert [log.truncated for log in episodes] == [None, None, True]
    said |= {"terminated": None}
    episodes, _ = read(table, write(tmp_path, lines), map=said, max_episode_steps=2)
    assert [len(log.actions) for log in episodes] == [2, 2, 1]
    assert [log.truncated for log in episodes] == [True, True, None]


def test_a_counter_of_steps_that_begins_again_begins_an_episode(tmp_path: Path):
    lines = "t,x,u\n0,5,1\n1,6,1\n0,7,1\n1,8,1\n2,9,1\n"
    said = {"step": "t", "obs": "x", "action": "u"}
    episodes, _ = read(table, write(tmp_path, lines), map=said)
    assert [log.where for log in episodes] == ["rows 1 to 2", "rows 3 to 5"]
    line = refusal(table, write(tmp_path, lines.replace("2,9", "1,9")), map=said)
    assert "row 5, t (rows 3 to 5, step 2): found step 1 after step 1" in line


@pytest.mark.parametrize(
    "times",
    [
        ["0.0", "0.1", "0.2", "9.0", "9.1"],
        [f"2026-03-29T00:59:59.{t}Z" for t in ("0", "1", "2")]
        + [f"2026-03-29T01:00:08.{t}Z" for t in ("0", "1")],
    ],
)
def test_pauses_cut_and_times_must_go_up(tmp_path: Path, times: list[str]):
    lines = [f"{t},{x},1" for x, t in enumerate(times)]
    said = {"time": "when", "gap": 5.0, "obs": "x", "action": "u"}
    path = write(tmp_path, "\n".join(["when,x,u", *lines]) + "\n")
    episodes, logs = read(table, path, map=said)
    assert [len(log.actions) for log in episodes] == [3, 2]
    assert episodes[0].truncated is True
    assert logs.step_seconds == pytest.approx(0.1)
    lines[1], lines[2] = lines[2], lines[1]
    path = write(tmp_path, "\n".join(["when,x,u", *lines]) + "\n")
    assert "expected a later time" in refusal(table, path, map=said)


def test_a_time_zone_counts_where_clocks_change(tmp_path: Path):
    stamps = ["2026-03-29 01:59:59", "2026-03-29 03:00:00"]
    lines = "\n".join(["when,x,u", *(f"{s},1,1" for s in stamps)]) + "\n"
    said = {"time": "when", "gap": 5.0, "obs": "x", "action": "u"}
    path = write(tmp_path, lines)
    assert len(read(table, path, map=said)[0]) == 2
    (log,), _ = read(table, path, map=said | {"timezone": "Europe/Berlin"})
    assert len(log.actions) == 2
    line = refusal(table, path, map=said | {"timezone": "Mars/Olympus"})
    assert "Mars/Olympus" in line


def test_words_and_numbers_to_choose_from(tmp_path: Path):
    lines = "run,x,what,n\n1,0,up,2\n1,1,down,0\n1,2,up,2\n"
    said = {"episode": "run", "obs": "x", "action": "what"}
    for path in (
        write(tmp_path, lines),
        both(tmp_path, {"run": [1] * 3, "x": [0, 1, 2], "what": ["up", "down", "up"]})[
            1
        ],
    ):
        (log,), logs = read(table, path, map=said)
        assert log.actions.tolist() == [1, 0, 1]
        assert logs.action_space == Discrete(2)
        assert "actions 0, 1, ...: down, up" in logs.notes
    path = write(tmp_path, lines)
    said |= {"action": {"column": "n", "discrete": True}}
    (log,), logs = read(table, path, map=said)
    assert log.actions.ravel().tolist() == [2, 0, 2]
    assert logs.action_space == Discrete(3)
    said |= {"action": {"column": "n", "discrete": False}}
    assert read(table, path, map=said)[0][0].actions.dtype == np.float64
    line = refusal(
        table,
        write(tmp_path, lines.replace(",0\n", ",0.5\n")),
        map=said | {"action": {"column": "n", "discrete": True}},
    )
    assert "row 2, n (run 1, step 1): found 0.5, expected a whole number" in line


def test_what_followed_a_row_is_kept(tmp_path: Path):
    lines = "run,x,nx,u,m,nm\n1,0,1,9,1,0\n1,1,2,9,0,1\n2,5,6,9,1,1\n"
    said = {"episode": "run", "obs": "x", "next_obs": "nx", "action": "u"}
    said |= {"infos": {"legal": "m"}, "next_infos": {"legal": "nm"}}
    first, second = read(table, write(tmp_path, lines), map=said)[0]
    assert first.observations[""].ravel().tolist() == [0, 1, 2]
    assert second.observations[""].ravel().tolist() == [5, 6]
    assert first.infos["legal"].ravel().tolist() == [1, 0, 1]
    path = write(tmp_path, lines.replace("1,0,1,9", "1,0,7,9"))
    notes = read(table, path, map=said)[1].notes
    assert any("next_obs is not obs of the following row in 1 rows" in n for n in notes)


def test_lists_in_cells_are_several_columns(tmp_path: Path):
    columns = {"run": [1, 1], "o": [[1.0, 2.0], [3.0, 4.0]], "u": [[5.0], [6.0]]}
    said = {"episode": "run", "obs": "o", "action": "u"}
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns), path)
    (log,), _ = read(table, path, map=said)
    assert log.observations[""].tolist() == columns["o"]
    parquet.write_table(pa.table(columns | {"o": [[1.0, 2.0], [3.0]]}), path)
    line = refusal(table, path, map=said)
    assert "row 2, o: found 1 numbers, expected 2 as in the first" in line
