"""The house rules that a machine can check; docs/methods.md and CONTRIBUTING.md."""

import ast
import configparser
import re
import subprocess
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks.artifacts.compose import composed
from tasks.code import methods

ROOT = Path(__file__).parents[1]
ROOMS = (
    "worlds",
    "generate",
    "measure",
    "weigh",
    "train",
    "compress",
    "export",
    "evaluate",
    "estimate",
    "profile",
    "report",
)
GROUP = {room: room for room in ROOMS} | {"worlds": "world"}
MAX_LINES = 300
# text that says itself; every other key of a method's YAML has a comment
PLAIN_KEYS = {"_target_", "name", "env_id", "title", "measured", "method", "world"}


@cache
def tracked() -> list[Path]:
    """Files in git that exist, and new ones it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    return sorted({ROOT / name for name in listed if (ROOT / name).is_file()})


def tracked_in(*folders: str, suffix: str = ".py") -> list[Path]:
    return [
        path
        for path in tracked()
        if path.suffix == suffix and path.relative_to(ROOT).parts[0] in folders
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names a module imports, ``from a import b`` giving a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def documented(room: str) -> set[str]:
    """Names in the first column of a room's table in docs/methods.md."""
    text = (ROOT / "docs/methods.md").read_text()
    section = text.split(f"\n## {room}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("room", ROOMS)
def test_the_four_lists_agree(room: str):
    code = set(methods(room))
    params = {path.stem for path in (ROOT / "params" / GROUP[room]).glob("*.yaml")}
    tests = {
        path.stem.removeprefix("test_")
        for path in (ROOT / "tests" / room).glob("test_*.py")
    }
    assert code == params, f"tasks/{room}/ and params/{GROUP[room]}/ differ"
    assert code == documented(room), f"tasks/{room}/ and docs/methods.md differ"
    assert code <= tests, f"tests/{room}/test_NAME.py is missing"


@pytest.mark.parametrize("room", ROOMS)
def test_params_name_the_class_of_their_file(room: str):
    for path in (ROOT / "params" / GROUP[room]).glob("*.yaml"):
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
        if block == "measured" and indent:
            continue
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
        for path in tracked_in("tasks", "tests", "benchmarks", "flows")
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_stages_do_not_know_the_orchestrator():
    guilty = [
        name_of(path)
        for path in tracked_in("tasks")
        if any(name.split(".")[0] == "prefect" for name in imports(path))
    ]
    assert guilty == []


def test_data_cannot_become_code():
    banned = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    calls = {"torch.load", "np.load", "numpy.load", "pd.read_pickle", "yaml.load"}
    guilty = []
    for path in tracked_in("tasks", "tests", "benchmarks", "flows"):
        if banned & {name.split(".")[0] for name in imports(path)}:
            guilty.append(name_of(path))
        guilty += [
            f"{name_of(path)}:{node.lineno}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in calls
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
            name, version = line.split("==")
            locked[canonicalize_name(name)] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *chain.from_iterable(extras)]
    for requirement in map(Requirement, wanted):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version}"


def make(*arguments: str) -> str:
    run = subprocess.run(
        ["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return run.stdout


def test_make_help_lists_what_there_is():
    listed = set(re.findall(r"^  ([a-z]+) ", make("help"), re.MULTILINE))
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    assert listed == set(phony[1].split()) - {"browser"}
    for target in sorted(listed):
        make("-n", target)


@pytest.mark.parametrize(
    "path", [p for p in tracked() if p.suffix == ".md"], ids=name_of
)
def test_documents_point_at_what_exists(path: Path):
    text = path.read_text()
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (path.parent / link).exists(), f"{name_of(path)}: {link}"
    targets = set(re.findall(r"`make ([a-z]+)", text))
    listed = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert targets <= listed, name_of(path)
