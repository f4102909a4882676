"""What a user says to make reaches the commands as it is, and runs nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOSTILE = [
    *("$(touch X)", "$(shell touch X)", "${shell touch X}", "a;touch X", "`touch X`"),
    *(
        '";touch X;"',
        "';touch X;'",
        "a\ntouch X",
        "a&touch X",
        "a|touch X",
        "$$(touch X)",
    ),
    *("a>X", "\\", "--help", "$(error X)", "$(eval Y:=1)", "#", "*"),
]
IMPORTING = "-m tasks.generate.engine.importing"
EXPORTING = "-m tasks.generate.engine.exporting --dataset=x"
SAID = {  # variable: target, other variables, and the words that hold its value
    "NAME": ("study", (), "-m flows.study -- {}"),
    "SET": ("study", ("NAME=smoke",), "-m flows.study --set={} -- smoke"),
    "A": ("compare", ("B=workspace",), "-m flows.compare -- {} workspace"),
    "B": ("compare", ("A=main",), "-m flows.compare -- main {}"),
    "C": (
        "compare",
        ("A=main", "B=workspace"),
        "-m flows.compare -- main workspace {}",
    ),
    "SPACE": (
        "search",
        ("NAME=smoke", "GOAL=score", "TRIALS=2", "MINUTES=9"),
        "-m flows.search --space={} --goal=score --trials=2 --minutes=9 -- smoke",
    ),
    "GOAL": (
        "search",
        ("NAME=smoke", "SPACE=s", "LOCAL=1"),
        "-m flows.search --local --space=s --goal={} -- smoke",
    ),
    "TRIALS": (
        "search",
        ("NAME=smoke", "SPACE=s"),
        "-m flows.search --space=s --trials={} -- smoke",
    ),
    "MINUTES": (
        "search",
        ("NAME=smoke", "SPACE=s"),
        "-m flows.search --space=s --minutes={} -- smoke",
    ),
    "WORLD": ("behaviors", (), "-m tasks.behaviors --world={}"),
    "SRC": ("import", ("NAME=x",), f"{IMPORTING} --source={{}} --name=x"),
    "MAP": (
        "import",
        ("SRC=s", "NAME=x"),
        f"{IMPORTING} --source=s --name=x --map={{}}",
    ),
    "OPTIONS": (
        "import",
        ("SRC=s", "NAME=x", "LINK=1", "DRY=1"),
        f"{IMPORTING} --source=s --name=x --options={{}} --link --dry",
    ),
    "TO": ("export-data", ("NAME=x", "OUT=o"), f"{EXPORTING} --to={{}} --out=o"),
    "OUT": ("export-data", ("NAME=x", "TO=t"), f"{EXPORTING} --to=t --out={{}}"),
    "DATASET": (
        "adopt",
        ("NAME=mine", "SRC=f"),
        "-m tasks.adopt.engine.door --name=mine --dataset={} -- f",
    ),
    "NORM": (
        "adopt",
        ("NAME=mine", "WORLD=w", "SRC=f"),
        "-m tasks.adopt.engine.door --name=mine --world=w --norm={} -- f",
    ),
    "REPLAY": (
        "adopt",
        ("NAME=mine", "WORLD=w", "SRC=f"),
        "-m tasks.adopt.engine.door --name=mine --world=w --replay={} -- f",
    ),
    "PORT": ("ui", (), "-m flows.serve --port={}"),
    "WORKERS": ("flow", (), "-m flows --workers={} --"),
    "DASK": ("flow", (), "-m flows --dask={} --"),
    "ONLY": ("hazards", (), "-m tests.hazards --only={}"),
    "EVERY": ("hazards", (), "-m tests.hazards --every={}"),
}

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which make runs a program that writes down its arguments."""
    folder = tmp_path / "a clone $(touch X)"
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text('#!/bin/sh\nprintf "%s\\0" "$@" "" >> said\n')
    python.chmod(0o755)
    for file in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    for kind in ("study", "claims", "behaviors"):
        shutil.copytree(ROOT / "params" / kind, folder / "params" / kind)
        (folder / "params" / kind / "$(touch X);touch X.yaml").touch()
    subprocess.run(["make", "--touch", "--silent", "setup"], cwd=folder, check=True)
    return folder


def made(clone: Path, *words: str, **variables: str) -> tuple[int, list[list[str]]]:
    """The exit code of make, and the arguments of every command but of set-up."""
    (clone / "said").unlink(missing_ok=True)
    names = {*SAID, "TARGETS", "REVS", "HERE", "LOCAL", "LINK", "DRY"}
    env = {k: v for k, v in os.environ.items() if k not in names} | variables
    ended = subprocess.run(
        ["make", *words], cwd=clone, env=env, capture_output=True, check=False
    )
    said = clone / "said"
    commands = said.read_text().split("\0\0") if said.exists() else []
    assert not (clone / "X").exists(), "something ran"
    split = [command.split("\0") for command in commands if command]
    return ended.returncode, [c for c in split if c[1] != "tasks.artifacts.environment"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("variable", SAID)
def test_a_value_is_one_word_of_a_command(clone: Path, variable: str, value: str):
    target, others, words = SAID[variable]
    expected = [word.format(value) for word in words.split()]
    for way in ("command line", "environment"):
        said = {variable: value} if way == "environment" else {}
        given = () if said else (f"{variable}={value}",)
        code, commands = made(clone, target, *given, *others, **said)
        assert code == 0
        assert commands[0] == expected, way


@pytest.mark.parametrize("value", HOSTILE)
def test_targets_are_words_and_nothing_else(clone: Path, value: str):
    code, commands = made(clone, "flow", f"TARGETS=report {value}", "LOCAL=1")
    assert code == 0
    assert commands[0] == ["-m", "flows", "--local", "--", "report", *value.split()]


@pytest.mark.parametrize("value", HOSTILE)
def test_revisions_are_words_and_nothing_else(clone: Path, value: str):
    code, commands = made(clone, "compare", f"REVS=main {value}", "HERE=1")
    assert code == 0
    assert commands[0] == [
        "-m",
        "flows.compare",
        "--here",
        "--",
        "main",
        *value.split(),
    ]


@pytest.mark.parametrize(
    "target",
    [
        *("study", "search", "claim", "behaviors"),
        *("compare", "import", "export-data", "adopt"),
    ],
)
def test_a_missing_name_is_asked_for(clone: Path, target: str):
    assert made(clone, target) == (2, [])


def test_smoke_takes_files_by_their_names(clone: Path):
    (clone / "params/study/$(touch X)smoke.yaml").touch()
    code, commands = made(clone, "smoke")
    assert code == 0
    assert ["-m", "flows.study", "--local", "--", "smoke"] in commands
    assert ["-m", "flows.study", "--local", "--", "$(touch X)smoke"] in commands


@pytest.mark.parametrize("value", [*HOSTILE, "/nowhere/python3", "false"])
def test_set_up_takes_no_other_python_than_the_one_named(clone: Path, value: str):
    for stamp in (clone / ".venv").glob("installed-*"):
        stamp.unlink()
    ended = subprocess.run(
        ["make", "setup", f"PYTHON={value}"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert (
        "set-up needs Python 3.11, 3.12 or 3.13; none of these is one:" in ended.stderr
    )
    assert not (clone / "X").exists()
    assert not list((clone / ".venv").glob("installed-*"))
