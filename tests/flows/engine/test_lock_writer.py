"""dvc.lock, block by block."""

from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import dumps_yaml

from flows.engine.lock_writer import LockFile, split
from tasks.artifacts.errors import RefusedError

NAMES = ["a", "b@x-1", "c", "d"]


def entry(name: str) -> dict[str, object]:
    outs = [{"path": f"out/{name}", "hash": "md5", "md5": "0" * 32, "size": 3}]
    params = {"params.yaml": {"lr": 0.001, "names": ["no", "1e3", "yes: it is"]}}
    return {"cmd": f"make {name} " + "long " * 40, "params": params, "outs": outs}


def whole(*names: str) -> str:
    """What DVC would write."""
    return dumps_yaml({"schema": "2.0", "stages": {n: entry(n) for n in names}})


def test_the_bytes_are_those_of_dvc(tmp_path: Path):
    lock = LockFile(tmp_path / "dvc.lock", NAMES)
    for name in NAMES:
        lock.put(name, entry(name))
    assert lock.path.read_text() == whole(*NAMES)


@pytest.mark.parametrize("ended", [("d", "c", "b@x-1", "a"), ("b@x-1", "d", "a", "c")])
def test_the_order_does_not_depend_on_who_ended_first(tmp_path: Path, ended):
    for name in ended:  # each in a process of its own
        LockFile(tmp_path / "dvc.lock", NAMES).put(name, entry(name))
    assert (tmp_path / "dvc.lock").read_text() == whole(*NAMES)


def test_what_others_recorded_stays_as_it_is(tmp_path: Path):
    path = tmp_path / "dvc.lock"
    path.write_text(
        whole("other", "b@x-1", "a", "another").replace("size: 3", "size:  3")
    )
    lock = LockFile(path, NAMES)
    lock.put("c", entry("c"))
    found = path.read_text()
    assert list(yaml.safe_load(found)["stages"]) == [
        "other",
        "b@x-1",
        "a",
        "another",
        "c",  # at the end, as DVC adds it
    ]
    assert found.count("size:  3") == 4
    path.write_text(found.replace("make other", "make others"))  # by another process
    lock.put("a", entry("a"))
    assert "make others" in path.read_text()
    assert path.read_text().count("size:  3") == 3


def test_names_that_yaml_quotes_and_sections_around(tmp_path: Path):
    names = ["yes", "1", "x" * 130]
    text = dumps_yaml(
        {
            "schema": "2.0",
            "stages": {name: entry(name) for name in names},
            "datasets": [{"name": "d"}],
        }
    )
    head, blocks, tail = split(text, Path("dvc.lock"))
    assert list(blocks) == names
    assert head + "".join(blocks.values()) + tail == text
    assert tail.startswith("datasets:")


def test_half_a_file_is_refused_and_kept(tmp_path: Path):
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\nsta")
    with pytest.raises(
        RefusedError, match=r"dvc.lock: stages: .*git checkout dvc.lock"
    ):
        LockFile(path, NAMES).put("a", entry("a"))
    assert path.read_text() == "schema: '2.0'\nsta"
