"""Packed rows that are not what was written: refused in one line, by all readers."""

import contextlib
import dataclasses
import hashlib
import json
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.packed import COLUMNS, INDEX, ROWS, layout
from tasks.artifacts.rows import Packed, load_rows, load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401
from tests.artifacts.mutations import spoilt_bytes, spoilt_json
from tests.artifacts.reading import assert_equal

READERS: tuple[Callable[[Path], Any], ...] = (
    load_transitions,
    lambda folder: load_rows(folder, 5, np.random.default_rng(0)),
)


@pytest.fixture
def folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    return tmp_path / ID


def assert_refused(folder: Path, match: str) -> None:
    for read in READERS:
        with pytest.raises(RefusedError, match=match) as caught:
            read(folder)
        assert "\n" not in str(caught.value)
        assert "python -m tasks.generate --dataset made-up" in str(caught.value)


def replace(file: Path, make: Callable[[Path], Any]) -> None:
    kept = file.with_suffix(".kept")
    file.rename(kept)
    make(file)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda f: f.symlink_to("/dev/zero"), "rows.bin: size: found no plain file"),
        (lambda f: f.symlink_to("nowhere"), "rows.bin: file: found nothing"),
        (lambda f: f.mkdir(), "rows.bin: .*: found "),
        (os.mkfifo, "rows.bin: size: found no plain file"),
        (lambda _: None, "rows.bin: file: found nothing"),
        (lambda f: f.write_bytes(b""), "rows.bin: size: found 0 bytes"),
    ],
)
def test_what_is_no_file_is_refused(
    folder: Path, make: Callable[[Path], Any], match: str
):
    replace(folder / ROWS, make)
    assert_refused(folder, match)


def test_a_link_to_the_file_is_as_good(folder: Path):
    """As DVC makes them into its cache, where it is told to."""
    for name in (ROWS, INDEX):
        cached = (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(cached)
    assert all(read(folder) is not None for read in READERS)


@pytest.mark.parametrize("change", [-1, -64, 1, 4096])
def test_another_size_is_refused(folder: Path, change: int):
    data = (folder / ROWS).read_bytes()
    (folder / ROWS).write_bytes((data + bytes(4096))[: len(data) + change])
    expected = f"rows.bin: size: found {len(data) + change} bytes"
    assert_refused(folder, expected)


def test_a_damaged_array_is_refused_by_whoever_reads_it(folder: Path):
    data, index = (folder / ROWS).read_bytes(), read_json(folder / INDEX, "")
    for name, entry in index["columns"].items():
        damaged = bytearray(data)
        damaged[entry["offset"]] ^= 1
        (folder / ROWS).write_bytes(damaged)
        with pytest.raises(RefusedError, match=f"rows.bin: {name}, sha256: found"):
            load_transitions(folder)
        if name != "observation":  # calibration rows are made of nothing else
            assert len(READERS[1](folder)[0]) == 5


def restate(folder: Path, **changes: Any) -> None:
    """Change rows.json behind everybody's back; it states its hash again."""
    write_sealed(folder / INDEX, read_json(folder / INDEX, "") | changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"steps": 10}, r"columns.observation.shape: found \[9, 11\], expected"),
        ({"steps": 0}, "steps: found 0"),
        ({"steps": True}, "steps: found True"),
        ({"steps": 2**60}, "steps: found"),
        ({"observation": "11"}, "observation: found '11'"),
        ({"discrete": 0}, "discrete: found 0"),
        ({"bytes": 5}, "bytes: found 5"),
        ({"schema": 2}, "schema: found 2"),
        ({"columns": []}, "columns: found"),
        ({"columns": {}}, "columns.observation: found nothing"),
        ({"dataset_id": "other-v0"}, "dataset_id: found 'other-v0'"),
        ({"main_sha256": "0" * 64}, "main_sha256: found '0000"),
    ],
)
def test_an_index_that_says_otherwise_is_refused(
    folder: Path, changes: dict[str, Any], match: str
):
    restate(folder, **changes)
    assert_refused(folder, f"rows.json: {match}")


@pytest.mark.parametrize(
    ("key", "value"),
    [("dtype", "<f8"), ("dtype", "O"), ("offset", 64), ("offset", None), ("shape", 9)],
)
def test_an_array_of_another_kind_is_refused(folder: Path, key: str, value: Any):
    columns = read_json(folder / INDEX, "")["columns"]
    columns["action"][key] = value
    restate(folder, columns=columns)
    assert_refused(folder, f"columns.action.{key}: found")


def test_an_array_more_or_half_a_mask_is_refused(folder: Path):
    columns = read_json(folder / INDEX, "")["columns"]
    restate(folder, columns={**columns, "extra": columns["reward"]})
    assert_refused(folder, "columns: found 'extra'")
    restate(folder, columns={**columns, "legal": columns["action"]})
    assert_refused(folder, "columns.legal: found nothing")


def test_sizes_the_file_cannot_hold_take_no_memory(folder: Path):
    index = read_json(folder / INDEX, "")
    sizes = {key: index[key] for key in ("episodes", "observation", "action")}
    places, total = layout({**sizes, "steps": 2**38}, index["columns"])
    columns = {
        name: {
            **index["columns"][name],
            "shape": list(place.shape),
            "offset": place.offset,
        }
        for name, place in places.items()
    }
    restate(folder, steps=2**38, bytes=total, columns=columns)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(folder, f"rows.bin: size: found .* expected {total} bytes")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def put(folder: Path, name: str, values: Sequence[float]) -> None:
    """Put numbers at the start of an array; all hashes are stated anew."""
    index = read_json(folder / INDEX, "")
    entry = index["columns"][name]
    with (folder / ROWS).open("r+b") as stream:
        stream.seek(entry["offset"])
        stream.write(np.array(values, COLUMNS[name][0]).tobytes())
    data = (folder / ROWS).read_bytes()
    size = int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize
    whole = data[entry["offset"] : entry["offset"] + size]
    entry["sha256"] = hashlib.sha256(whole).hexdigest()
    restate(folder, columns=index["columns"])


@pytest.mark.parametrize("lengths", [[6, 3, 0], [5, 3, 2], [-1, 9, 1], [2**62] * 3])
def test_lengths_that_do_not_add_up_are_refused(folder: Path, lengths: list[int]):
    put(folder, "length", lengths)
    with pytest.raises(RefusedError, match="rows.bin: length: found other lengths"):
        load_transitions(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_nobody_can_compute_with_are_refused(folder: Path, value: float):
    put(folder, "observation", [0.0] * 25 + [value])
    assert_refused(folder, "observation, row 2: found a number that is not finite")


def test_an_older_dataset_is_told_how_it_is_made_again(folder: Path):
    (folder / INDEX).unlink()
    assert_refused(folder, "rows.json: file: found nothing")


def test_rows_of_another_hdf5_do_not_pass(world: World, folder: Path):
    other = folder.parent / "other" / ID
    episodes = [dataclasses.replace(e, rewards=e.rewards + 1) for e in three()]
    write_dataset(other, ID, episodes, world, BLOCK)
    for name in (ROWS, INDEX):
        (folder / name).write_bytes((other / name).read_bytes())
    assert_refused(folder, "rows.json: main_sha256: found")


def test_an_hdf5_that_was_changed_does_not_pass(folder: Path):
    main = folder / "data/main_data.hdf5"
    data, state = main.read_bytes(), main.stat()
    os.utime(main, (1, 1))
    load_transitions(folder)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    main.write_bytes(damaged)  # the same size
    os.utime(main, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert_refused(folder, "main_data.hdf5: sha256")
    main.unlink()
    assert_refused(folder, "main_data.hdf5: sha256: found nothing")


def test_damage_anywhere_is_refused_or_not_read(folder: Path):
    data, before = (folder / ROWS).read_bytes(), load_transitions(folder)
    for version in spoilt_bytes(data, 50, np.random.default_rng(0)):
        (folder / ROWS).write_bytes(version)
        try:
            assert_equal(load_transitions(folder), before)  # what lies between arrays
        except RefusedError:
            continue
    (folder / ROWS).write_bytes(data)
    content = read_json(folder / INDEX, "")
    for version in spoilt_json(content, 100, np.random.default_rng(0)):
        if isinstance(version, dict):
            write_sealed(folder / INDEX, version)
            with contextlib.suppress(RefusedError):
                load_transitions(folder)
    for text in (b"", b"[" * 10**5, b"3", b"{}", b"\xff", json.dumps(content).encode()):
        (folder / INDEX).write_bytes(text.replace(b"<f4", b"<f8"))
        assert_refused(folder, "rows.json")


def test_the_hash_is_of_the_bytes_that_sha256sum_reads(folder: Path):
    packed = Packed(folder)
    assert packed.sha256 == sha256(folder / "data/main_data.hdf5")
    assert packed.size == (folder / ROWS).stat().st_size
