"""The house rules that a machine can check; docs/methods.md and CONTRIBUTING.md."""

import ast
import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks.artifacts.compose import composed
from tasks.code import methods
from tests.house import (
    CODE,
    HEIGHT,
    ROOT,
    circles,
    imports,
    name_of,
    needed,
    params_of,
    private,
    room_of,
    to_be_locked,
    tracked,
    tracked_in,
    tree,
)

# rooms whose methods have params, tests and a table in docs/methods.md
ROOMS = (
    *("worlds", "generate", "measure", "weigh"),
    *("train", "learn"),
    "compress",
    "export",
    "evaluate",
    "estimate",
    "profile",
    "report",
)
GROUP = {room: room for room in ROOMS} | {"worlds": "world"}
MAX_LINES = 300
TORCH_FILE = "tasks/adopt/engine/torch_file.py"  # tests/adopt/test_torch_file.py
# text that says itself; every other key of a method's YAML has a comment
PLAIN_KEYS = {"_target_", "name", "env_id", "title", "measured", "method", "world"}


def documented(room: str) -> set[str]:
    """Names in the first column of a room's table in docs/methods.md."""
    text = (ROOT / "docs/methods.md").read_text()
    section = text.split(f"\n## {room}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("room", ROOMS)
def test_the_four_lists_agree(room: str):
    code = set(methods(room))
    params = {path.stem for path in params_of(GROUP[room])}
    tests = {
        path.stem.removeprefix("test_")
        for path in (ROOT / "tests" / room).glob("test_*.py")
    }
    assert code == params, f"tasks/{room}/ and params/{GROUP[room]}/ differ"
    assert code == documented(room), f"tasks/{room}/ and docs/methods.md differ"
    assert code <= tests, f"tests/{room}/test_NAME.py is missing"


@pytest.mark.parametrize("room", ["beds", "claims"])
def test_claims_and_their_beds_have_parameters(room: str):
    params = {path.stem for path in (ROOT / "params" / room).glob("*.yaml")}
    assert set(methods(room)) == params


@pytest.mark.parametrize("room", ROOMS)
def test_params_name_the_class_of_their_file(room: str):
    for path in params_of(GROUP[room]):
        target = yaml.safe_load(path.read_text())["_target_"]
        assert target.startswith(f"tasks.{room}.{path.stem}."), name_of(path)


@pytest.mark.parametrize("path", tracked_in("params", suffix=".yaml"), ids=name_of)
def test_every_key_says_unit_and_range(path: Path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#"), "the first line says what the file is"
    block = ""  # the top-level key a line belongs to
    for number, line in enumerate(lines):
        found = re.match(r"( *)([\w-]+):(.*)", line)
        if not found:
            continue
        indent, key, rest = found.groups()
        block = block if indent else key
        if block in ("defaults", "hydra") or key in PLAIN_KEYS or not rest.strip():
            continue
        if indent and (block == "measured" or path.parent.name == "train"):
            continue  # a table by dataset says it in its first line
        if path.parent.name == "study" and (block != "study" or "[" in rest):
            continue  # values that replace a method's own; lists of names
        above = lines[number - 1].strip().startswith("#")
        assert "#" in rest or above, f"{name_of(path)}:{number + 1}: {key}"


def test_params_yaml_is_composed():
    assert (ROOT / "params.yaml").read_text() == composed(folder=ROOT / "params"), (
        "run: make params"
    )


def test_files_stay_short():
    long = {
        name_of(path): count
        for path in tracked_in(*CODE, "tests", "benchmarks")
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_module_begins_with_an_underscore():
    names = [path.relative_to(ROOT).with_suffix("") for path in tracked_in(*CODE)]
    modules = [name.as_posix() for name in names if private(name.parts)]
    imported = [
        f"{name_of(path)}: {name}"
        for path in tracked_in(*CODE)
        for name in sorted(imports(path))
        if name.split(".")[0] in CODE and private(name.split("."))
    ]
    assert modules + imported == []


def test_no_room_imports_from_a_later_one():
    pairs = [
        (path, room_of(path), room_of(other), other)
        for path in tracked_in(*CODE)
        for other in sorted(needed(path))
    ]
    upward = [
        f"{name_of(path)} -> {name_of(other)}"
        for path, room, its_room, other in pairs
        if room and its_room and HEIGHT[room] < HEIGHT[its_room]
    ]
    assert upward == []


def test_no_files_import_each_other_in_a_circle():
    assert circles() == []


def test_every_docstring_says_something_itself():
    """One that only sends the reader elsewhere (``See ...``) says nothing."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    empty = [
        f"{name_of(path)}:{getattr(node, 'lineno', 1)}"
        for path in tracked_in(*CODE)
        for node in ast.walk(tree(path))
        if isinstance(node, kinds)
        if re.match(r"See [^.]*(\.\w[^.]*)*\.?$", ast.get_docstring(node) or "")
    ]
    assert empty == []


def test_stages_do_not_know_the_orchestrator():
    guilty = [
        name_of(path)
        for path in tracked_in("tasks")
        if any(name.split(".")[0] == "prefect" for name in imports(path))
    ]
    assert guilty == []


def test_only_the_stage_code_depends_on_code():
    """What a method is made of is computed there, so no stage lists files."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    listed = {
        name: files
        for name, block in stages.items()
        for deps in [block.get("do", block).get("deps", [])]
        if (files := [dep for dep in deps if dep.split("/")[0] in CODE])
    }
    assert listed == {"code": ["offcut", "tasks"]}


def test_the_lock_has_no_stage_that_the_graph_has_not():
    graph = {stage.addressing for stage in Repo(str(ROOT)).index.stages}
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert sorted(lock.keys() - graph) == []


def test_data_cannot_become_code():
    banned = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    calls = {"torch.load", "np.load", "numpy.load", "pd.read_pickle", "yaml.load"}
    guilty = []
    for path in tracked_in(*CODE, "tests", "benchmarks"):
        if banned & {name.split(".")[0] for name in imports(path)}:
            guilty.append(name_of(path))
        guilty += [
            f"{name_of(path)}:{node.lineno}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in calls
            and name_of(path) != TORCH_FILE
        ]
    assert guilty == []


def test_no_path_of_one_machine():
    pattern = re.compile(r"(?<![\w.$}/])/(?:home|root|work|opt|Users)/\w")
    guilty = []
    for path in tracked():
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".json", ".lock", ""}:
            text = path.read_text(encoding="utf-8", errors="ignore")
            guilty += [f"{name_of(path)}: {hit}" for hit in pattern.findall(text)]
    assert guilty == []


def test_nothing_is_sent_anywhere():
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert config["core"]["analytics"] == "false"
    assert config["core"]["check_update"] == "false"


def test_the_lock_satisfies_the_bounds():
    locked = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            pinned = Requirement(line)  # some with a marker, for other Pythons
            locked[canonicalize_name(pinned.name)] = str(pinned.specifier)[2:]
    for requirement in map(Requirement, to_be_locked()):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version}"


def make(*arguments: str) -> str:
    run = subprocess.run(
        ["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return run.stdout


def test_make_help_lists_what_there_is():
    listed = set(re.findall(r"^  ([a-z-]+) ", make("help"), re.MULTILINE))
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    assert listed == set(phony[1].split()) - {"browser"}
    for target in sorted(listed):
        make("-n", target)


# a path of the project in a document; names to fill in (NAME, <room>) are none
PATH = re.compile(
    r"`((?:benchmarks|docs|flows|offcut|params|tasks|tests)/[\w./-]*\w/?)`"
)


@pytest.mark.parametrize(
    "path", [p for p in tracked() if p.suffix == ".md"], ids=name_of
)
def test_documents_point_at_what_exists(path: Path):
    text = path.read_text()
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (path.parent / link).exists(), f"{name_of(path)}: {link}"
    for name in PATH.findall(text):
        assert "NAME" in name or (ROOT / name).exists(), f"{name_of(path)}: {name}"
    targets = set(re.findall(r"`make ([a-z-]+)", text))
    listed = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert targets <= listed, name_of(path)


def test_code_names_documents_that_exist():
    document = re.compile(r"docs/[\w/]+\.(?:md|svg|png)")
    gone = [
        f"{name_of(path)}: {name}"
        for suffix in (".py", ".yaml")
        for path in tracked_in(*CODE, "benchmarks", "params", "tests", suffix=suffix)
        for name in document.findall(path.read_text(encoding="utf-8"))
        if "NAME" not in name and not (ROOT / name).exists()
    ]
    assert gone == []


def test_contributing_says_where_to_change_what():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("\n## Where to change what\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 18
    for row in rows:
        paths = re.findall(r"`([\w./-]+)`", row.rpartition(" | ")[2])
        assert paths, f"no file: {row}"
        assert [name for name in paths if not (ROOT / name).exists()] == []
