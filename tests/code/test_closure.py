"""What a method is made of, on a small project and on this one."""

import shutil
from pathlib import Path

import pytest
import yaml

from tasks.code import (
    ROOMS,
    closure,
    digest,
    made_by,
    methods,
    of_method,
    texts,
    write,
)

ROOT = Path(__file__).parents[2]
FILES = {
    "tasks/__init__.py": "",
    "tasks/artifacts/__init__.py": "",
    "tasks/artifacts/data.py": "",
    "tasks/artifacts/other.py": "",
    "tasks/nets/__init__.py": "",
    "tasks/nets/layers.py": "",
    "tasks/nets/typed.py": "",
    "tasks/nets/late.py": "",
    "tasks/train/__init__.py": "import tasks.artifacts.data",
    "tasks/train/__main__.py": "from tasks.train import engine",
    "tasks/train/engine/__init__.py": "",
    "tasks/train/cores/__init__.py": "",
    "tasks/train/cores/shared.py": "from tasks.nets import layers",
    "tasks/train/plain.py": """
from typing import TYPE_CHECKING
from tasks.train.cores.shared import x
if TYPE_CHECKING:
    from tasks.nets import typed
else:
    import tasks.artifacts.other
def later():
    import tasks.nets.late
""",
    "tasks/train/big/__init__.py": "",
    "tasks/train/big/part.py": "",
    "tasks/train/big/notes.jinja": "",
    "tasks/train/own/__init__.py": "",
    "tasks/train/own/__main__.py": "",
    "tasks/train/broken.py": "def (",
}
COMMAND = {
    "tasks/__init__.py",
    "tasks/artifacts/__init__.py",
    "tasks/artifacts/data.py",
    "tasks/train/__init__.py",
    "tasks/train/__main__.py",
    "tasks/train/engine/__init__.py",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_imports_are_followed_those_for_types_are_not(project: Path):
    assert set(of_method("train", "plain", project)) == COMMAND | {
        "tasks/train/plain.py",
        "tasks/train/cores/__init__.py",
        "tasks/train/cores/shared.py",
        "tasks/nets/__init__.py",
        "tasks/nets/layers.py",
        "tasks/nets/late.py",
        "tasks/artifacts/other.py",
    }


def test_a_folder_counts_whole_with_what_is_not_python(project: Path):
    assert set(of_method("train", "big", project)) == COMMAND | {
        "tasks/train/big/__init__.py",
        "tasks/train/big/part.py",
        "tasks/train/big/notes.jinja",
    }


def test_a_command_of_its_own_stands_for_the_rooms(project: Path):
    assert set(of_method("train", "own", project)) == {
        "tasks/__init__.py",
        "tasks/artifacts/__init__.py",
        "tasks/artifacts/data.py",
        "tasks/train/__init__.py",
        "tasks/train/own/__init__.py",
        "tasks/train/own/__main__.py",
    }


def test_a_file_that_does_not_parse_counts_by_its_bytes(project: Path):
    before = of_method("train", "broken", project)
    (project / "tasks/train/broken.py").write_text("def (:")
    after = of_method("train", "broken", project)
    assert before.keys() == after.keys()
    assert before != after
    assert digest(before) != digest(after)


def test_an_edit_and_an_import_more_are_seen_at_once(project: Path):
    before = of_method("train", "plain", project)
    path = project / "tasks/train/cores/shared.py"
    path.write_text(path.read_text() + "\nimport tasks.nets.typed\n")
    after = of_method("train", "plain", project)
    assert after.keys() - before.keys() == {"tasks/nets/typed.py"}
    assert of_method("train", "big", project) == of_method("train", "big", project)


def test_cores_and_engine_are_no_methods(project: Path):
    assert methods("train", project) == ["big", "broken", "own", "plain"]
    assert methods("nowhere", project) == []
    with pytest.raises(KeyError, match="tasks/train/engine"):
        of_method("train", "engine", project)


def test_a_rename_alone_is_another_digest():
    assert digest({"a": "1", "b": "2"}) != digest({"a": "2", "b": "1"})
    assert digest({"b": "2", "a": "1"}) == digest({"a": "1", "b": "2"})


def test_what_is_written_is_what_there_is(project: Path, tmp_path: Path):
    out = tmp_path / "data/code"
    write(out, project)
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.json")}
    assert names == {f"train/{name}.json" for name in ("big", "broken", "own", "plain")}
    inode = out.stat().st_ino
    write(out, project)
    assert out.stat().st_ino == inode  # the same again: left alone
    (project / "tasks/train/big/part.py").unlink()
    (project / "tasks/train/broken.py").unlink()
    write(out, project)
    there = {p.relative_to(out).as_posix(): p.read_text() for p in out.rglob("*.json")}
    assert there == texts(project)
    assert "train/broken.json" not in there


def test_a_contract_tells_parameters_from_code():
    one = made_by("train", "bc", {"rate": 0.1})
    other = made_by("train", "bc", {"rate": 0.2})
    assert one["method"] == other["method"] == "train.bc"
    assert one["params_sha256"] != other["params_sha256"]
    assert one["code_sha256"] == other["code_sha256"]
    assert one["code_sha256"] != made_by("train", "iql", {})["code_sha256"]


def test_every_room_has_methods_and_no_closure_holds_another_method():
    """A learner stands on cores, never on another learner's file."""
    for room in ROOMS:
        names = methods(room)
        assert names, room
        for name in names:
            own = (f"tasks/{room}/{name}.py", f"tasks/{room}/{name}/")
            others = [
                path
                for path in of_method(room, name)
                if path.startswith(f"tasks/{room}/")
                and path.split("/")[2].removesuffix(".py") in set(names) - {name}
            ]
            assert others == [], own


def test_data_files_of_pages_belong_to_the_report():
    files = of_method("report", "html")
    assert "tasks/report/cores/page.css" in files
    assert any(path.endswith(".html.jinja") for path in files)
    assert not any("page.css" in path for path in closure(ROOT / "tasks/train/bc.py"))


def test_a_world_with_a_name_of_its_own_has_the_closure_of_its_class(tmp_path: Path):
    """Whoever asks, the flows' guard too, finds it by the project's parameters."""
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks")
    block = {"_target_": "tasks.worlds.gym.Gym", "name": "arm"}
    odd = {"name": "b", "_target_": "tasks.train.bc.BC"}
    worlds = {"a": {"world": block}, "b": {"world": odd}, "c": 5, "d": {"world": None}}
    text = yaml.safe_dump({"dataset": worlds, "study": []})
    (tmp_path / "params.yaml").write_text(text)
    assert of_method("worlds", "arm", tmp_path) == of_method("worlds", "gym", tmp_path)
    written = texts(tmp_path)
    assert written["worlds/arm.json"] == written["worlds/gym.json"]
    assert "worlds/b.json" not in written
    (tmp_path / "params.yaml").write_text("[")
    with pytest.raises(KeyError, match="tasks/worlds/arm"):
        of_method("worlds", "arm", tmp_path)


def test_the_runtime_counts_where_a_stage_uses_it():
    """An exported file's card is written by offcut/."""
    assert "offcut/card.py" in of_method("export", "feedforward")
    assert not any(p.startswith("offcut/") for p in of_method("train", "bc"))
