"""In a clone `offcut X` is `make X`: the same names, variables and commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offcut import files
from offcut.clone import environment, parser
from offcut.targets import CLONE, said, target, targets
from tests.test_makefile import HOSTILE, clone, made

__all__ = ["clone"]  # a fixture

ROOT = Path(__file__).parents[2]
TARGETS = targets(ROOT)
NAMED = re.compile(r"\$\(if \$\((\w+)\)|\$\$\{?(\w+)")
# the words of a command line, and the variables that say the same to make
SAME = [
    (["run"], []),
    (["studies"], []),
    (["flow"], []),
    (["flow", "report", "export"], ["TARGETS=report export"]),
    (["flow", "--workers", "2", "report"], ["WORKERS=2", "TARGETS=report"]),
    (["study", "smoke", "--local"], ["NAME=smoke", "LOCAL=1"]),
    (["study", "smoke", "--set", "a=1", "b=2"], ["NAME=smoke", "SET=a=1 b=2"]),
    (["study", "smoke", "--set", "a=1", "--set", "b=2"], ["NAME=smoke", "SET=a=1 b=2"]),
    (["study", "s", "--set", "a=[1, 2]"], ["NAME=s", "SET='a=[1, 2]'"]),
    (["import", "a b.csv", "x", "--dry"], ["SRC=a b.csv", "NAME=x", "DRY=1"]),
    (
        ["export-data", "x", "csv", "out"],
        ["NAME=x", "TO=csv", "OUT=out"],
    ),
    (["adopt", "f", "mine", "--world=w"], ["SRC=f", "NAME=mine", "WORLD=w"]),
    (["world", "A-v0", "x", "--policy", "p"], ["ENV=A-v0", "NAME=x", "POLICY=p"]),
    (["claim", "riql"], ["NAME=riql"]),
    (["behaviors", "hopper"], ["WORLD=hopper"]),
    (["ui", "--port", "4300"], ["PORT=4300"]),
]


@pytest.fixture
def whole(clone: Path) -> Path:
    """A folder that is taken for a clone, in which dvc writes down its words, too."""
    for name in CLONE[1:]:
        (clone / name).touch()
    dvc = shutil.copy(clone / ".venv/bin/python", clone / ".venv/bin/dvc")
    dvc.write_text(dvc.read_text().replace('"$@"', 'dvc "$@"'))
    return clone


def offcut(
    folder: Path, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, by the code of this tree."""
    return subprocess.run(
        [sys.executable, "-m", "offcut", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_target_is_a_command_and_no_name_is_taken_twice():
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = set(re.findall(r"^  ([a-z-]+) ", listed.stdout, re.MULTILINE))
    assert set(TARGETS) == names - {"help"}
    assert not set(TARGETS) & {*files.COMMANDS, "completion", "complete", "help"}
    shown = offcut(ROOT, "--help").stdout
    commands = re.findall(r"^  ([a-z-]+) ", shown, re.MULTILINE)
    assert commands == [*files.COMMANDS, "completion", *TARGETS]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_all_that_it_reads(name: str):
    """So that each variable is an option of the command."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(rf"^{name}:.*\n((?:\t.*\n)*)", text, re.MULTILINE)
    read = {a or b for rule in rules for a, b in NAMED.findall(rule)} & said(ROOT)
    if name == "setup":
        read.add("PYTHON")  # by the rule of the stamp, which set-up is made of
    assert {v.name for v in TARGETS[name].variables} == read


@pytest.mark.parametrize(("words", "variables"), SAME, ids=" ".join)
def test_a_command_runs_what_make_runs(
    whole: Path, words: list[str], variables: list[str]
):
    code, expected = made(whole, words[0], *variables)
    assert code == 0
    (whole / "said").unlink()
    ended = offcut(whole, *words, NAME="an exported name", SET="not=said")
    assert ended.returncode == 0, ended.stderr
    commands = (whole / "said").read_text().split("\0\0")
    split = [command.split("\0") for command in commands if command]
    assert [c for c in split if c[1] != "tasks.artifacts.environment"] == expected


@pytest.mark.parametrize("value", HOSTILE)
def test_no_shell_reads_a_word(whole: Path, value: str):
    for words in (["study", "--", value], ["study", "x", f"--set={value}"]):
        assert offcut(whole, *words).returncode == 0
        assert not (whole / "X").exists()
    given = environment(TARGETS["import"], [f"./{value}", "x", f"--map={value}"])
    assert given == {"SRC": f"./{value}", "NAME": "x", "MAP": value}


def test_what_is_missing_is_asked_for_by_make(whole: Path):
    ended = offcut(whole, "study")
    assert ended.returncode == 2
    assert "say which: make study NAME=one of" in ended.stderr


def test_without_a_clone_a_line_says_where_one_is_needed(tmp_path: Path):
    shutil.copytree(ROOT / "offcut", tmp_path / "site/offcut")
    (tmp_path / "empty").mkdir()
    for name in ("run", "studies", "nonsense"):
        ended = offcut(tmp_path / "empty", name, PYTHONPATH=str(tmp_path / "site"))
        assert ended.returncode == 1
        assert "expected a clone of Offcut (without one there are" in ended.stderr
        assert "get a clone with git" in ended.stderr
        assert ended.stderr.count("\n") == 1
    assert f"a clone is at {ROOT}: cd there" in offcut(ROOT / "docs", "run").stderr


def test_a_misspelt_command_is_named():
    ended = offcut(ROOT, "studdy")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "did you mean study?" in ended.stderr


@pytest.mark.parametrize("words", [["--help"], ["study", "--help"], ["complete", "s"]])
def test_help_and_completion_import_no_library(words: list[str]):
    code = (
        "import sys\nfrom offcut.__main__ import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "sys.exit(' '.join({'numpy', 'onnxruntime', 'dvc'} & set(sys.modules)) or 0)"
    )
    run = [sys.executable, "-c", code]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)


def test_a_line_without_variables_and_one_with_all_kinds():
    assert target("run", "run the graph").variables == ()
    text = 'a: b: make x SRC=FILE A=A|B=B TO=p|q [SET="key=value ..." N=2 D=1]'
    found = {v.name: v for v in target("x", text).variables}
    assert [n for n, v in found.items() if v.needed] == ["SRC", "TO"]
    assert found["TO"].choices == ("p", "q")
    assert [n for n, v in found.items() if v.switch] == ["D"]
    assert [n for n, v in found.items() if v.overrides] == ["SET"]
    assert target("x", text).help == "a: b"


def test_several_words_stand_by_their_place():
    text = 'a: make x A=REVISION B=REVISION [C=REVISION REVS="REVISION ..." HERE=1]'
    given = environment(target("x", text), ["main", "b", "--here", "c", "d"])
    assert given == {"A": "main", "B": "b", "REVS": "c d", "HERE": "1"}
    text = 'a: make x NAME=STUDY SPACE="key=low..high ..." [GOAL="as small as can be"]'
    x = target("x", text)
    given = environment(x, ["s", "b=1..10(log)", "c=0..1", "--goal", "score at 9 kB"])
    space = "'b=1..10(log)' c=0..1"
    assert given == {"NAME": "s", "SPACE": space, "GOAL": "score at 9 kB"}
    shown = parser(x).format_usage()
    assert shown == "usage: offcut x STUDY KEY=LOW..HIGH ... [--goal GOAL]\n"
