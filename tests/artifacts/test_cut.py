"""The stage ``cut``: one policy out of a sweep, byte for byte."""

import sys
from pathlib import Path

import pytest

from tasks.artifacts.cut import main
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256

SOURCE = Path("data/policies/d/iql/iql-beta1")
OUTPUT = Path("data/policies/d/iql-beta1")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (SOURCE / "snapshots/10").mkdir(parents=True)
    for name in ("policy.json", "curves.csv", "snapshots/10/policy.json"):
        (SOURCE / name).write_text(name)
    words = ["--dataset", "d", "--learner", "iql", "--policy", "iql-beta1"]
    monkeypatch.setattr(sys, "argv", ["cut", *words])


@pytest.mark.usefixtures("files")
def test_the_whole_folder_is_copied_and_replaced():
    for _ in range(2):
        main()
        assert sha256(OUTPUT) == sha256(SOURCE)
        (OUTPUT / "more").touch()


@pytest.mark.usefixtures("files")
def test_a_missing_policy_is_refused_by_what_trains_it():
    (SOURCE / "policy.json").unlink()
    with pytest.raises(RefusedError, match="tasks.train --dataset d --learner iql$"):
        main()
    assert not OUTPUT.exists()


@pytest.mark.usefixtures("files")
def test_a_name_is_no_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], "../x"])
    with pytest.raises(RefusedError, match="--policy"):
        main()
