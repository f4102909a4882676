"""Loggers get a training's curves, change no byte of it, and never end it."""

import csv
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks import loggers
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.loggers import LOGGERS, VARIABLE, Runs, check_logger
from tasks.train.engine.logged import Logged
from tasks.train.engine.loop import Curves
from tests.train.test_command import project  # noqa: F401

RECORDING = ("tests.loggers.recording", "json")
LOGS = Path(".offcut/logs/recording/workspace")
TINY = ("--dataset", "tiny", "--learner", "bc")
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def recording(monkeypatch: Patch) -> None:
    """A logger of the tests' own, registered as the others are."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setitem(LOGGERS, "recording", RECORDING)


def written() -> dict[str, str]:
    """Hashes of what the stage left, and of all else but logs."""
    files = [path for path in Path().rglob("*") if path.is_file()]
    return {
        str(path): sha256(path) for path in files if loggers.LOGS not in path.parents
    }


def test_without_the_variable_nothing_is_logged(project: Any):  # noqa: F811
    project(*TINY)
    assert not loggers.LOGS.exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_each_seed_has_a_run_with_its_curves(
    project: Any,  # noqa: F811
    monkeypatch: Patch,
    processes: int,
):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["study"]["processes"] = processes
    Path("params.yaml").write_text(yaml.safe_dump(params))
    project(*TINY)
    before = written()
    monkeypatch.setenv(VARIABLE, "recording")
    project(*TINY)
    assert written() == before  # the same bytes, and no file beside them
    text = Path("data/policies/tiny/bc/curves.csv").read_text()
    by_seed: dict[str, list[str]] = {"3": [], "1": []}
    for row in csv.DictReader(text.splitlines()):
        by_seed[row.pop("seed")].append(row["update"])
    files = sorted(LOGS.rglob("*.txt"))
    assert [file.parent.name for file in files] == ["tiny-bc", "tiny-bc"]
    assert [file.name.split("-")[1] for file in files] == ["1", "3"]
    for file in files:
        *lines, last = file.read_text().splitlines()
        assert [line.split()[0] for line in lines] == by_seed[file.name.split("-")[1]]
        assert all(" train/actor_loss=" in line for line in lines)
        assert last == "closed"


def test_one_that_fails_warns_once_and_ends_no_training(
    project: Any,  # noqa: F811
    monkeypatch: Patch,
    capfd: pytest.CaptureFixture[str],
):
    project(*TINY)
    before = written()
    capfd.readouterr()
    from tests.loggers import recording

    monkeypatch.setattr(recording, "Run", recording.Failing)
    monkeypatch.setenv(VARIABLE, "recording")
    project(*TINY)
    assert written() == before
    said = capfd.readouterr().err
    assert said.count("warning: the logger recording failed and is off: OSError") == 1


def test_a_training_that_goes_on_has_whole_runs(tmp_path: Path, monkeypatch: Patch):
    """Rows from before a kill come from the checkpoint, and none twice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "recording")
    curves = Curves(["update", "seed", "loss"])
    rows = [[u, s, u / 10 + s] for u in (10, 20, 30) for s in (7, 8)]
    for until in (4, 6):  # a kill after the second log, then a process from there
        curves.rows = [np.array(row) for row in rows[:until]]
        with Runs() as runs:
            logged = Logged(runs, "d", ["bc"], [7, 8], "0123456789")
            logged(curves)
            logged(curves)
    file = tmp_path / LOGS / "d-bc/seed-8-01234567.txt"
    assert file.read_text().splitlines() == [
        "10 train/loss=9.0",
        "20 train/loss=10.0",
        "30 train/loss=11.0",
        "closed",
    ]


def test_a_study_logs_into_the_clone(tmp_path: Path, monkeypatch: Patch):
    tree = tmp_path / ".offcut/studies/smoke-1234567"
    tree.mkdir(parents=True)
    monkeypatch.chdir(tree)
    monkeypatch.setenv(VARIABLE, "recording")
    with Runs() as runs:
        runs.log("d-bc/w8", 100, {"evaluate/score": 40.0})
    place = tmp_path / ".offcut/logs/recording/smoke-1234567/d-bc/w8.txt"
    assert place.read_text() == "100 evaluate/score=40.0\nclosed\n"


def test_an_unknown_logger_is_refused_before_a_training(
    project: Any,  # noqa: F811
    monkeypatch: Patch,
):
    monkeypatch.setenv(VARIABLE, "tensorbord")
    with pytest.raises(RefusedError, match="did you mean tensorboard"):
        project(*TINY)
    assert not Path("data/policies").exists()
    for off in ("none", ""):
        monkeypatch.setenv(VARIABLE, off)
        check_logger()


def test_a_missing_library_is_named_with_its_extra(monkeypatch: Patch):
    monkeypatch.setitem(LOGGERS, "dvclive", ("tasks.loggers.dvclive", "no_such_one"))
    monkeypatch.setenv(VARIABLE, "dvclive")
    with pytest.raises(RefusedError, match=r"pip install -e '\.\[dvclive\]'"):
        check_logger()


def logged_with(name: str, tmp_path: Path, monkeypatch: Patch) -> Path:
    """The folder of a real logger, after a run that was made twice."""
    if find_spec(LOGGERS[name][1]) is None:
        pytest.skip(f"the extra {name} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, name)
    for start in (5.0, 1.0):
        with Runs() as runs:
            for step in (10, 20):
                runs.log("d-bc/seed-0", step, {"train/loss": start + step})
        assert runs.name == name, "it failed"
    assert {p.name for p in tmp_path.iterdir()} == {".offcut"}
    return tmp_path / loggers.LOGS / name


def test_tensorboard_reads_its_events(tmp_path: Path, monkeypatch: Patch):
    folder = logged_with("tensorboard", tmp_path, monkeypatch)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "workspace/d-bc/seed-0"))
    events.Reload()
    points = [(e.step, e.value) for e in events.Scalars("train/loss")]
    assert points == [(10, 11.0), (20, 21.0)]


def test_mlflow_lists_its_run(tmp_path: Path, monkeypatch: Patch):
    folder = logged_with("mlflow", tmp_path, monkeypatch)
    from mlflow import MlflowClient

    client = MlflowClient(folder.as_uri())
    experiment = client.get_experiment_by_name("workspace")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("d-bc/seed-0", "FINISHED")
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in history] == [(10, 11.0), (20, 21.0)]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_dvclive_leaves_its_tables_and_no_experiment(
    tmp_path: Path, monkeypatch: Patch
):
    folder = logged_with("dvclive", tmp_path, monkeypatch) / "workspace/d-bc/seed-0"
    table = (folder / "plots/metrics/train/loss.tsv").read_text().splitlines()
    assert [line.split("\t") for line in table[1:]] == [["10", "11.0"], ["20", "21.0"]]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics == {"train": {"loss": 21.0}, "step": 20}
