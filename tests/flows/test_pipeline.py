"""The flow as a real Prefect server sees it."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server.endpoint import bound, call
from flows.server.start import started
from tasks.artifacts.sealed import sealed
from tests.flows.toy import ROOT, STAGES, Toy

pytestmark = pytest.mark.prefect

METRICS = sealed(
    {
        "dataset": "d",
        "learner": "l",
        "variant": "v",
        "mode": "exact",
        "episodes": 2,
        "seeds": [7],
        "score": {"mean": 12.0, "iqm": 12.34, "low": 1.0, "high": 20.0},
        "return": {"mean": 99.0, "iqm": 99.0, "low": 90.0, "high": 100.0},
        "per_seed": [{"seed": 7, "mean": 98.5}],
        "episodes_sha256": "0" * 64,
    }
)
REPORT = {
    "d": {
        "l": {
            "v": {
                "score": 12.34,
                "score_low": 1.0,
                "score_high": 20.0,
                "verdict": "HELD",
                "bytes": 75656.0,
            }
        }
    }
}

SHIP = {
    "ship": "l / v",
    "ship_score": 12.34,
    "ship_low": 1.0,
    "ship_high": 20.0,
    "ship_bytes": 75656.0,
}


@pytest.fixture(scope="module")
def url(
    tmp_path_factory: pytest.TempPathFactory, warm: Callable[[Path], None]
) -> Iterator[str]:
    root = tmp_path_factory.mktemp("server")
    warm(root)
    with started(root, bound(0), services=False) as found:
        yield found


@pytest.fixture
def toy(tmp_path: Path, url: str) -> Toy:
    made = Toy(tmp_path / "toy")
    made.env |= {"PREFECT_API_URL": url}
    return made


def flow(toy: Toy, *arguments: str, code: int = 0) -> tuple[str, str]:
    """Run the flow; what it said, and its id."""
    said = toy.run("python", "-m", "flows", *arguments, code=code)
    found = re.search(r"/runs/flow-run/([0-9a-f-]{36})", said)
    assert found, said
    return said, found[1]


def of_run(url: str, what: str, run: str) -> list[dict[str, Any]]:
    """What the server keeps of a run: logs, task_runs or artifacts."""
    where = {"flow_run_id": {"any_": [run]}}
    body = {
        "logs": {"logs": where},
        "artifacts": {"artifacts": where},
        "task_runs": {"flow_runs": {"id": {"any_": [run]}}},
    }[what]
    found: list[dict[str, Any]] = call(url, f"{what}/filter", body)
    return found


def until(what: Callable[[], Any], seconds: float = 240) -> Any:
    """The first truth; what is told to the server arrives a little later."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def stages(url: str, run: str, count: int) -> dict[str, dict[str, Any]]:
    """Task runs that have ended, by name."""

    def ended() -> list[dict[str, Any]] | None:
        runs = of_run(url, "task_runs", run)
        done = [r for r in runs if r["state_type"] not in {"PENDING", "RUNNING"}]
        return runs if len(done) == count else None

    return {r["name"]: r for r in until(ended)}


def test_one_task_run_a_stage_with_the_edges_of_the_graph(toy: Toy, url: str):
    said, run = flow(toy)
    assert "5 stages: 5 completed; `make ui` shows this run" in said
    found = stages(url, run, len(STAGES))
    assert {name: r["state_name"] for name, r in found.items()} == dict.fromkeys(
        STAGES, "Completed"
    )
    names = {r["id"]: name for name, r in found.items()}
    edges = {
        name: {names[i["id"]] for i in r["task_inputs"].get("wait_for", [])}
        for name, r in found.items()
    }
    assert edges == {
        "make": set(),
        "up": {"make"},
        "turn": {"make"},
        "join": {"up", "turn"},
        "apart": set(),
    }
    lines = until(lambda: [m["message"] for m in of_run(url, "logs", run)])
    assert "working" in lines
    assert call(url, f"flow_runs/{run}")["name"] == "pipeline"
    _, again = flow(toy)
    second = stages(url, again, len(STAGES))
    assert {r["state_name"] for r in second.values()} == {"Cached"}
    assert "didn't change" in toy.dvc("repro")


def test_a_failed_stage_shows_its_logs_tail(toy: Toy, url: str):
    bad = STAGES["turn"] | {"cmd": "echo the reason; exit 3"}
    toy.stages(STAGES | {"turn": bad})
    said, run = flow(toy, "--keep-going", code=1)
    assert "refused: the run: state: found Failed" in said
    assert "1 that failed, turn" in said
    found = stages(url, run, 4)
    assert "join" not in found
    assert found["turn"]["state_name"] == "Failed"
    assert found["turn"]["state"]["message"].startswith("exit code 3\nthe reason\n")
    assert found["apart"]["state_name"] == "Completed"
    assert call(url, f"flow_runs/{run}")["state_type"] == "FAILED"


def test_progress_scores_and_the_report_are_artifacts(toy: Toy, url: str):
    toy.write("metrics.src", json.dumps(METRICS))
    toy.write("report.src", json.dumps(REPORT))
    toy.write("ship.src", json.dumps(SHIP))
    steps = 'for n in 1 2 3 4; do echo "toy l: $n/4  loss 0.$n"; done'
    toy.stages(
        {
            "train": {
                "foreach": ["l"],
                "do": {"cmd": f"{steps}; echo x > out", "outs": ["out"]},
            },
            "evaluate": {
                "foreach": ["l"],
                "do": {
                    "cmd": "mkdir scores && cp metrics.src scores/metrics.json",
                    "outs": ["scores"],
                },
            },
            "report": {
                "cmd": "mkdir -p data/report && cp report.src data/report/table.json"
                " && cp ship.src data/report/metrics.json",
                "outs": ["data/report/table.json", "data/report/metrics.json"],
            },
        }
    )
    _, run = flow(toy)
    found = {a["key"]: a for a in of_run(url, "artifacts", run)}
    assert set(found) == {"progress", "train-l-progress", "evaluate-l", "report"}
    # the run's own, not of one of its tasks
    assert found["progress"]["task_run_id"] is None
    assert found["progress"]["data"] == 100
    assert found["progress"]["description"] == "3 of 3 stages"
    assert found["train-l-progress"]["type"] == "progress"
    assert found["train-l-progress"]["data"] == 100
    assert found["train-l-progress"]["description"] == "toy l: 4/4 loss 0.4"
    table = found["evaluate-l"]["data"]
    rows = json.loads(table) if isinstance(table, str) else table
    assert [row["seed"] for row in rows] == ["all", 7]
    assert (rows[0]["score"], rows[0]["95 %"]) == ("12.3", "[1.0, 20.0]")
    assert (
        "| d | l / v | 12.3 | [1.0, 20.0] | HELD | 75,656 |" in found["report"]["data"]
    )
    assert str(toy.folder / "data/report/index.html") in found["report"]["data"]
    assert "[Open the page](/files/data/report/index.html)" in found["report"]["data"]
    assert (
        "**Ship l / v: score 12.3 [1.0, 20.0], 75,656 bytes**"
        in (found["report"]["data"])
    )


def test_bad_graphs_are_one_clear_line(toy: Toy, url: str):
    toy.stages({"a": {"cmd": "x", "deps": ["nowhere.txt"], "outs": ["out"]}})
    said, run = flow(toy, code=1)
    assert "a: deps: found nowhere.txt, which does not exist" in said
    assert "Traceback" not in said
    assert call(url, f"flow_runs/{run}")["state_type"] == "FAILED"


def test_no_server_is_one_clear_line_and_local_goes_on(toy: Toy):
    toy.env |= {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    said = toy.run("python", "-m", "flows", code=1)
    lines = said.strip().splitlines()
    assert len(lines) == 1
    assert "PREFECT_API_URL: found http://127.0.0.1:9/api" in said
    assert "make flow LOCAL=1" in said
    assert not (toy.folder / "dvc.lock").exists()
    assert "5 completed" in toy.flow()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_ends_its_stages(toy: Toy, number: signal.Signals):
    toy.stages({"long": {"cmd": "echo $$ > pid; exec sleep 600", "outs": ["out"]}})
    said, pid = toy.folder / "said", toy.folder / "pid"
    with said.open("w") as log:
        run = subprocess.Popen(
            [sys.executable, "-m", "flows"],
            cwd=toy.folder,
            env=toy.env,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    until(lambda: run.poll() is None and pid.exists() and pid.read_text())
    run.send_signal(number)
    assert run.wait(240) != 0
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    assert not (toy.folder / "dvc.lock").exists()
    if number == signal.SIGINT:
        assert "Traceback" not in said.read_text()
        assert said.read_text().endswith("\ninterrupted\n")


@pytest.mark.slow
def test_the_server_killed_in_the_middle_loses_nothing(
    tmp_path: Path, warm: Callable[[Path], None]
):
    warm(tmp_path)
    toy = Toy(tmp_path / "toy")
    go = "touch begun; while [ ! -e go ]; do sleep 0.01; done; cp in.txt made"
    toy.stages(STAGES | {"make": {"cmd": go, "deps": ["in.txt"], "outs": ["made"]}})
    toy.write("dvc.yaml", toy.read("dvc.yaml").replace("made/a.txt", "made"))
    toy.write("dvc.yaml", toy.read("dvc.yaml").replace("made/b.txt", "made"))
    with started(tmp_path, bound(0), services=False) as url:
        run = subprocess.Popen(
            [sys.executable, "-m", "flows"],
            cwd=toy.folder,
            env=toy.env | {"PREFECT_API_URL": url, "PREFECT_CLIENT_MAX_RETRIES": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until(lambda: run.poll() is None and (toy.folder / "begun").exists())
    (toy.folder / "go").touch()  # the server is gone now
    said = run.communicate(timeout=240)[0]  # it asks again, then drops the rest
    assert run.returncode == 1
    assert "refused: Prefect: server: found no answer any more" in said
    assert "5 stages" in toy.flow()
    assert "up to date" in toy.dvc("status")
    assert "didn't change" in toy.dvc("repro")


def test_threads_need_no_prefect():
    code = "import sys, flows.__main__; sys.exit('prefect' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
