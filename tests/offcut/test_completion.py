"""Completion in bash, zsh and fish: commands, options, names of studies and claims."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offcut.completion import SHELLS

ROOT = Path(__file__).parents[2]
# a script that completes the words "$@" behind offcut, and prints what is offered
ASKING = {
    "bash": 'COMP_WORDS=(offcut "$@"); COMP_CWORD=$#; _offcut; '
    "printf '%s\\n' ${COMPREPLY[@]+\"${COMPREPLY[@]}\"}",
    "zsh": 'words=(offcut "$@"); CURRENT=$#words; compadd() { print -rl -- $found }; '
    "_files() { print FILES }; _offcut",
    "fish": 'complete -C "offcut $argv" | string replace -r "\\t.*" ""; true',
}


def offered(folder: Path, shell: str, *words: str) -> list[str]:
    """What a shell offers in a folder for the last word behind ``offcut``."""
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    command = bin_folder / "offcut"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m offcut "$@"\n')
    command.chmod(0o755)
    (folder / "asking").write_text(f"{SHELLS[shell]}\n{ASKING[shell]}\n")
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
    }
    bare = ["--no-config"] if shell == "fish" else []
    ended = subprocess.run(
        [shell, *bare, str(folder / "asking"), *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.split()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with two studies, one of them with a name that a shell would run."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("dvc.yaml", "offcut", "flows", "tasks"):
        (folder / name).touch()
    (folder / "params/study").mkdir(parents=True)
    for name in ("smoke", "small-2", "hard", "$(touch X)", "s;touch X", "s touch X"):
        (folder / f"params/study/{name}.yaml").touch()
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_names_are_offered(clone: Path, shell: str):
    assert offered(clone, shell, "stu") == ["studies", "study"]
    assert offered(clone, shell, "study", "s") == ["small-2", "smoke"]
    assert offered(clone, shell, "study", "smoke", "--l") == ["--local"]
    assert offered(clone, shell, "export-data", "x", "d") == ["d3rlpy", "d4rl"]
    assert offered(clone, shell, "completion", "") == ["bash", "fish", "zsh"]
    assert offered(clone, shell, "play", "--ep") == ["--episodes"]
    files = offered(clone, shell, "card", "Make")  # offered by the shell itself
    assert files == {"bash": [], "zsh": ["FILES"], "fish": ["Makefile"]}[shell]
    assert not (clone / "X").exists()


def test_revisions_are_offered_and_only_plain_ones(clone: Path):
    for words in (
        ["init", "-q", "-b", "main"],
        [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a",
            "commit",
            "-qm",
            "a",
            "--allow-empty",
        ],
        ["branch", "feature/one"],
        ["branch", "$(touch${IFS}X)"],
        ["update-ref", f"refs/exps/{'a' * 2}/{'b' * 38}/smoke-1234567", "HEAD"],
    ):
        subprocess.run(["git", *words], cwd=clone, check=True)
    line = 'x: setup  ## compare: make x A=REVISION B=REVISION [N=1 D="REVISION ..."]'
    (clone / "Makefile").write_text(line)
    every = ["feature/one", "main", "smoke-1234567", "workspace"]
    assert offered(clone, "bash", "x", "") == every
    assert offered(clone, "bash", "x", "main", "f") == ["feature/one"]
    assert offered(clone, "bash", "x", "main", "main", "main", "") == every
    assert not (clone / "X").exists()


def test_outside_a_clone_the_commands_of_files_are_offered(tmp_path: Path):
    every = ["bench", "c", "card", "completion", "help", "play"]
    assert offered(tmp_path, "bash", "") == every
    assert offered(tmp_path, "bash", "play", "") == []  # so the shell offers files


def test_the_script_of_bash_is_plain(tmp_path: Path):
    if not shutil.which("shellcheck"):
        pytest.skip("needs shellcheck")
    script = tmp_path / "completion"
    script.write_text(SHELLS["bash"])
    subprocess.run(["shellcheck", "-s", "bash", str(script)], check=True)
