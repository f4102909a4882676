"""``make ui`` as a process: what it serves, and what becomes of it and of its runs."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest

from flows.server.endpoint import HOST, bound
from flows.server.settings import home
from tests.flows.toy import STAGES, Toy
from tests.flows.ui import Ui, alive, environment, family, serving, until

pytestmark = pytest.mark.prefect

# it runs until there is a file "go"
LONG = {"long": {"cmd": "while [ ! -e go ]; do sleep 0.1; done", "deps": ["in.txt"]}}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    made = Toy(tmp_path_factory.mktemp("served") / "toy", STAGES | LONG)
    made.write(".gitignore", made.read(".gitignore") + "/go\n")
    (made.folder / "params/study").mkdir(parents=True)
    for name in ("one", "other"):
        made.write(f"params/study/{name}.yaml", "study: {}\n")
    made.commit()
    return made


@pytest.fixture(scope="module")
def served(toy: Toy, warm: Callable[[Path], None]) -> Iterator[Ui]:
    warm(toy.folder)
    env = environment(toy.folder) | {"SHELL": "/bin/sh", "DVC_NO_ANALYTICS": "1"}
    with serving(toy.folder, env) as ui:
        yield ui


@pytest.fixture
def ui(served: Ui) -> Iterator[Ui]:
    """The one server, begun again if a test ended it."""
    if served.process.poll() is not None:
        served.begin()
    yield served
    (served.folder / "go").unlink(missing_ok=True)


def refused(folder: Path, env: dict[str, str], port: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flows.serve", "--port", str(port)],
        cwd=folder,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def sleeping(ui: Ui) -> set[int]:
    """The processes of ``make ui`` once its long stage runs."""
    pids = family(ui.process.pid)
    names = list[bytes]()
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
            names.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return pids if any(b"-e go" in name for name in names) else set()


def belated(ui: Ui, hours: float) -> str:
    """A run of the schedule that should have begun hours ago."""
    path = f"deployments/{ui.deployment('pipeline')['id']}/create_flow_run"
    body = {"state": scheduled(-24), "parameters": {"targets": ["apart"]}}
    run = str(ui.call(path, body)["id"])
    then = datetime.now(UTC) - timedelta(hours=hours)
    with sqlite3.connect(home(ui.folder) / "prefect.db", timeout=60) as base:
        changed = base.execute(
            "update flow_run set auto_scheduled = 1, expected_start_time = ?"
            " where replace(id, '-', '') = ?",
            (f"{then:%Y-%m-%d %H:%M:%S.%f}", run.replace("-", "")),
        ).rowcount
    assert changed == 1
    ui.call(f"flow_runs/{run}/set_state", {"state": scheduled(hours), "force": True})
    return run


def tasks(ui: Ui, run: str) -> dict[str, str]:
    """The state of each task of a run."""
    within = {"flow_runs": {"id": {"any_": [run]}}}
    rows = ui.call("task_runs/filter", within)
    # a task is recorded a moment before its first state
    return {row["name"]: (row["state"] or {}).get("name", "") for row in rows}


def scheduled(hours: float) -> dict[str, object]:
    """The state of a run that is to begin, or should have begun, hours ago."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    return {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}


def test_it_says_where_to_look_and_what_to_do(ui: Ui):
    said = ui.said()
    assert f"open http://127.0.0.1:{ui.port}/" in said
    assert "served: pipeline, study, compare" in said
    assert "Ctrl-C ends all" in said


def test_the_nightly_schedule_is_off_until_switched_on(ui: Ui):
    pipeline = ui.deployment("pipeline")
    (schedule,) = pipeline["schedules"]
    assert schedule["schedule"]["cron"] == "0 2 * * *"
    assert schedule["active"] is False
    assert pipeline["paused"] is False
    assert pipeline["global_concurrency_limit"]["limit"] == 1
    assert ui.deployment("study")["global_concurrency_limit"]["limit"] == 4
    assert pipeline["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert pipeline["description"]
    wanted = {"targets", "workers", "keep_going", "force", "timeout", "dask"}
    schema = pipeline["parameter_openapi_schema"]["properties"]
    assert schema.keys() >= wanted
    assert all(parameter["description"] for parameter in schema.values())
    runs = {"deployments": {"name": {"any_": ["pipeline"]}}}
    assert ui.call("flow_runs/count", runs) == 0


def test_studies_and_comparisons_take_their_parameters(ui: Ui):
    study, compare = ui.deployment("study"), ui.deployment("compare")
    for made in (study, compare):
        assert made["schedules"] == []
        assert made["description"]
    schema = study["parameter_openapi_schema"]["properties"]
    assert schema["name"]["type"] == "string"
    assert schema["name"]["enum"] == ["one", "other"]
    assert schema["overrides"]["items"] == {"type": "string"}
    schema = compare["parameter_openapi_schema"]["properties"]
    assert schema["revisions"]["items"] == {"type": "string"}
    with pytest.raises(HTTPError, match="409"):
        ui.start("study", name="nowhere")


def test_a_refusal_is_one_line_and_no_traceback(ui: Ui):
    run = ui.start("study", name="one", overrides=["{a: 1}", "x=2"])
    assert "refused" in ui.reach(run, "FAILED")["message"]
    # what the user typed, and no pattern to be filled
    assert ui.call(f"flow_runs/{run}")["name"] == "study one {a: 1} x=2"
    body = {"logs": {"flow_run_id": {"any_": [run]}}}
    logs = until(lambda: ui.call("logs/filter", body), "its log")
    assert not [entry for entry in logs if "Traceback" in entry["message"]]
    assert "Traceback" not in ui.said()


def test_a_run_keeps_the_name_typed_for_it(ui: Ui):
    path = f"deployments/{ui.deployment('pipeline')['id']}/create_flow_run"
    body = {"name": "my own {x}", "parameters": {"targets": ["apart"]}}
    run = ui.call(path, body)["id"]
    ui.reach(run, "COMPLETED")
    assert ui.call(f"flow_runs/{run}")["name"] == "my own {x}"


def test_a_run_takes_parameters_and_a_second_finds_all_done(ui: Ui):
    both = [ui.start("pipeline", targets=["join"]) for _ in range(2)]
    said = {ui.reach(run, "COMPLETED")["message"]: run for run in both}
    assert said.keys() == {"4 stages: 4 completed", "4 stages: 4 cached"}
    cached = dict.fromkeys(["make", "up", "turn", "join"], "Cached")
    run = said["4 stages: 4 cached"]
    until(lambda: tasks(ui, run) == cached, "the record of its tasks")


def test_a_cancelled_run_ends_and_the_next_begins(ui: Ui, toy: Toy):
    run, after = (ui.start("pipeline", targets=["long"]) for _ in range(2))
    pids = until(lambda: sleeping(ui), "the long stage")
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    ui.call(f"flow_runs/{run}/set_state", state)
    ui.reach(run, "CANCELLED")
    until(lambda: pids - alive(pids), "end of the stage")
    toy.write("go", "")
    assert ui.reach(after, "COMPLETED")["type"] == "COMPLETED"


def test_a_late_run_is_skipped_and_one_in_time_is_not(ui: Ui):
    late, timely = belated(ui, 2), belated(ui, 0.5)
    assert "skipped: 2.0 h late" in ui.reach(late, "CANCELLED")["message"]
    ui.reach(timely, "COMPLETED")


def test_a_second_one_of_a_project_is_refused(ui: Ui):
    said = refused(ui.folder, ui.env, 0)
    assert f"one at http://127.0.0.1:{ui.port}" in said


def test_a_taken_port_is_refused(tmp_path: Path):
    (tmp_path / "dvc.yaml").touch()
    with bound(0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        said = refused(tmp_path, environment(tmp_path), port)
    assert f"{HOST}:{port}" in said
    assert f"by process {os.getpid()}" in said
    assert "make ui PORT=" in said


def test_a_folder_without_a_graph_is_refused(tmp_path: Path):
    assert "a clone of the project" in refused(tmp_path, environment(tmp_path), 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_ends_all(ui: Ui, number: int):
    run = ui.start("pipeline", targets=["long"], force=True)
    pids = until(lambda: sleeping(ui), "the long stage")
    assert ui.end(number) == 0
    assert "ending" in ui.said()
    until(lambda: not alive(pids), "end of all")
    assert not (home(ui.folder) / "url").exists()
    if number == signal.SIGTERM:  # one of the two is looked at after a new start
        return
    ui.begin()
    assert ui.state(run)["type"] == "CANCELLED"
    schedule = ui.deployment("pipeline")["schedules"][0]
    assert schedule["active"] is False


def test_killed_it_leaves_nothing_and_the_next_clears_up(ui: Ui, toy: Toy):
    pipeline = ui.deployment("pipeline")
    (schedule,) = pipeline["schedules"]
    running = ui.start("pipeline", targets=["long"], force=True)
    waiting = ui.start("pipeline", targets=["long"])
    pids = until(lambda: sleeping(ui), "the long stage")
    late = belated(ui, 3)
    ui.end(signal.SIGKILL)
    until(lambda: not alive(pids), "end of all")
    toy.write("go", "")
    ui.begin()
    assert "lost" in ui.state(running)["message"]
    assert ui.state(running)["type"] == "CRASHED"
    assert "skipped" in ui.reach(late, "CANCELLED")["message"]
    ui.reach(waiting, "COMPLETED", "CRASHED")  # it waited for its turn, or began
    ui.reach(ui.start("pipeline", targets=["long"]), "COMPLETED")
    assert ui.deployment("pipeline")["schedules"][0]["id"] == schedule["id"]
