"""What every bed can rely on: jobs are kept, go on, and run again only if they must."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml

from tasks.artifacts.params import Range
from tasks.beds import Bed, BedParams, Job, Report
from tasks.beds.engine import jobs as engine
from tasks.code import digest, methods, of_method
from tests.beds.harness import ROOT, block


@dataclass(frozen=True)
class CountParams(BedParams):
    first: Annotated[int, Range(0, 1000)]
    numbers: tuple[int, ...]


class Count(Bed[CountParams]):
    """Adds a number to the first one, and leaves a line of it in a file."""

    text = "a"

    def inputs(self) -> dict[str, str]:
        return {"text": self.text}

    def jobs(self) -> Sequence[Job]:
        numbers = self.params.numbers
        rest = [Job(f"add {n}", {"n": n}, ("numbers",)) for n in numbers]
        return [*rest, Job("alone", {"n": 0}, ("numbers", "first", "text"))]

    def run(self, job: Job, report: Report) -> Any:
        report(0.5)
        if (n := job.settings["n"]) == 13:
            raise ValueError(n)
        with Path("ran.txt").open("a") as file:
            file.write(f"{job.name}\n")
        return {"sum": self.params.first + n}


def count(first: int = 1, numbers: tuple[int, ...] = (2, 3), processes: int = 2) -> Any:
    nothing = "environment.json"
    return Count(CountParams(nothing, nothing, processes, first, numbers))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    files = {"tasks/beds/count.py": "1"}
    monkeypatch.setattr(engine, "of_method", lambda *_: dict(files))
    return files


def ran(bed: Any) -> set[str]:
    """Which jobs run now."""
    Path("ran.txt").write_text("")
    engine.run_jobs("count", bed)
    return set(Path("ran.txt").read_text().split("\n")) - {""}


@pytest.mark.usefixtures("code")
def test_results_stand_in_the_order_of_the_jobs():
    results = engine.run_jobs("count", count(numbers=(5, 4, 3)))
    assert [one["name"] for one in results] == ["add 5", "add 4", "add 3", "alone"]
    assert [one["result"]["sum"] for one in results] == [6, 5, 4, 1]
    assert results[0]["settings"] == {"n": 5}


def test_a_job_runs_again_only_where_what_it_depends_on_changed(code: dict[str, str]):
    assert ran(count()) == {"add 2", "add 3", "alone"}
    assert ran(count()) == set()
    assert ran(count(processes=1)) == set()
    assert ran(count(numbers=(3, 4))) == {"add 4"}
    assert ran(count(first=2)) == {"add 2", "add 3"}
    other = count()
    other.text = "b"
    assert ran(other) == {"add 2", "add 3"}
    code["tasks/beds/count.py"] = "2"
    assert ran(count()) == {"add 2", "add 3", "alone"}


@pytest.mark.usefixtures("code")
def test_a_result_that_is_not_whole_is_made_again():
    assert ran(count(numbers=())) == {"alone"}
    (file,) = Path(".offcut/beds/count").glob("*.json")
    file.write_text('{"sum":')
    assert ran(count(numbers=())) == {"alone"}


@pytest.mark.usefixtures("code")
def test_a_job_that_fails_leaves_the_results_before_it():
    with pytest.raises(ChildProcessError):
        engine.run_jobs("count", count(numbers=(2, 13, 3), processes=1))
    assert ran(count(numbers=(2, 3))) == {"add 3", "alone"}


def stage(folder: Path) -> list[str]:
    """The command of the bed deis on five mixtures, one at a time, in a folder."""
    folder.mkdir()
    small = {"mixtures": list(range(5)), "samples": 4, "fine": 1, "processes": 1}
    params = {"bed": {"deis": block("deis", **small)}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return [sys.executable, "-m", "tasks.beds", "--bed", "deis"]


def test_killed_in_the_middle_it_goes_on_to_the_same_results(tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first, second = tmp_path / "killed", tmp_path / "whole"
    command = stage(first)
    kept = first / ".offcut/beds/deis"
    with subprocess.Popen(command, cwd=first, env=environment) as running:
        while len(list(kept.glob("*.json"))) < 2:
            assert running.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    times = {file: file.stat().st_mtime_ns for file in kept.glob("*.json")}
    assert 2 <= len(times) < 10
    assert not (first / "data/beds/deis").exists()
    subprocess.run(command, cwd=first, env=environment, check=True)
    assert {file: file.stat().st_mtime_ns for file in times} == times
    subprocess.run(stage(second), cwd=second, env=environment, check=True)
    texts = [(f / "data/beds/deis/results.json").read_text() for f in (first, second)]
    assert texts[0] == texts[1]
    assert len(json.loads(texts[0])["jobs"]) == 10


def test_an_edited_bed_changes_its_own_key_and_no_other(tmp_path: Path):
    project = tmp_path / "project"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tasks", project / "tasks", ignore=ignore)
    every = [(room, m) for room in ("beds", "claims") for m in methods(room, project)]

    def digests() -> dict[tuple[str, str], str]:
        return {one: digest(of_method(*one, project)) for one in every}

    before = digests()
    for room, name in every:
        path = project / "tasks" / room / name
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        file.write_text(file.read_text() + "\n# edited\n")
        after = digests()
        assert {one for one in every if before[one] != after[one]} == {(room, name)}
        before = after


def test_a_claim_trains_and_plays_nothing():
    for name in methods("claims"):
        rooms = {path.split("/")[1] for path in of_method("claims", name)}
        assert not rooms & {"beds", "train", "compress", "export", "generate"}, name


def test_a_claim_waits_for_its_code_its_study_and_its_bed():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    claim, bed = (graph["stages"][name]["do"] for name in ("claim", "bed"))
    assert {"${item.bed}", "data/code/claims/${key}.json"} < set(claim["deps"])
    assert "data/report/metrics.json" in claim["deps"]
    assert "data/code/beds/${key}.json" in bed["deps"]
    assert bed["outs"] == ["data/beds/${key}"]
