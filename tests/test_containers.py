"""The Dockerfile and the devcontainer agree, and nothing in them runs as root."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from offcut.files import COMMANDS
from offcut.targets import targets

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEV = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))


def last(instruction: str) -> str:
    """The words of the last instruction of a kind."""
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)[-1]


def test_a_user_without_rights_runs_a_command_there_is():
    assert last("USER") == DEV["remoteUser"] == "offcut"
    name = json.loads(last("CMD"))
    assert name[0] == "offcut"
    assert name[1] in {*COMMANDS, *targets(ROOT)}


def test_the_devcontainer_builds_a_stage_of_the_dockerfile():
    stages = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)
    assert DEV["build"]["target"] in stages
    assert (ROOT / ".devcontainer" / DEV["build"]["dockerfile"]).samefile(
        ROOT / "Dockerfile"
    )
    assert DEV["postCreateCommand"].removeprefix("make ") in targets(ROOT)


def test_the_image_is_given_nothing_but_commits():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["*", "!.git"]


def test_the_linter_of_dockerfiles_finds_no_error():
    if not shutil.which("hadolint"):
        pytest.skip("needs hadolint")
    lint = ["hadolint", "--failure-threshold", "error", str(ROOT / "Dockerfile")]
    subprocess.run(lint, check=True)
