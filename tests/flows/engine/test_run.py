"""A run: retries, time-outs, tails, kills, and two at once."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flows.engine.graph import Graph
from flows.engine.run import Run
from tests.flows.toy import STAGES, Toy

KILLS = 6


def out(cmd: str) -> dict[str, Any]:
    return {"cmd": cmd, "outs": ["out"]}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy(tmp_path / "toy")
    monkeypatch.chdir(made.folder)
    return made


def test_lines_are_told_and_logged(toy: Toy):
    run, lines = Run(Graph()), list[str]()
    assert run.stage("make").state == "completed"
    assert run.stage("up", lines.append).state == "completed"
    assert lines == ["working"]
    assert toy.read(".offcut/logs/up.log") == "working\n"
    assert run.stage("up").state == "cached"
    assert run.outcomes["up"].message == "unchanged"


def test_a_stage_finds_the_python_that_runs_the_flow(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    toy.stages({"which": out("command -v python > out")})
    assert Run(Graph()).stage("which").state == "completed"
    assert Path(toy.read("out").strip()).parent == Path(sys.executable).parent


def test_a_failure_shows_the_tail_of_its_log(toy: Toy):
    toy.stages({"bad": out("seq 100; echo the reason >&2; exit 3")})
    outcome = Run(Graph()).stage("bad")
    assert outcome.state == "failed"
    lines = outcome.message.splitlines()
    assert lines[0] == "exit code 3"
    assert lines[1:3] == ["82", "83"]
    assert lines[-2:] == ["the reason", "log: .offcut/logs/bad.log"]
    assert not (toy.folder / "dvc.lock").exists()


def test_an_error_of_dvc_is_told_and_logged(toy: Toy):
    toy.flow()
    toy.run("rm", "dvc.lock")
    for stage in (toy.folder / ".dvc/cache/runs").glob("*/*"):
        toy.run("rm", "-r", str(stage))
        stage.write_text("no folder")
    outcome = Run(Graph()).stage("make")
    assert outcome.state == "failed"
    assert outcome.message.startswith("NotADirectoryError: ")
    assert "Traceback" in toy.read(".offcut/logs/make.log")


def test_a_stage_that_was_killed_is_started_again(toy: Toy):
    once = "[ -e tried ] || { touch tried; kill -9 $$; }; echo done > out"
    toy.stages({"once": out(once), "apart": STAGES["apart"]})
    lines = list[str]()
    assert Run(Graph()).stage("once", lines.append).state == "completed"
    assert lines == ["killed by signal 9; starting it again"]
    assert toy.read("out") == "done\n"


def test_one_that_is_always_killed_fails(toy: Toy):
    toy.stages({"always": out("echo x >> tries; kill -9 $$")})
    outcome = Run(Graph()).stage("always")
    assert outcome.state == "failed"
    assert outcome.message.startswith("killed by signal 9\n")
    assert toy.read("tries") == "x\nx\n"


def test_one_that_hangs_fails_and_the_rest_goes_on(toy: Toy):
    toy.stages({"hang": out("echo on; sleep 600"), "apart": STAGES["apart"]})
    said = toy.flow("--timeout", "1", "--keep-going", code=1)
    assert "hang: failed, took longer than 1 s and was ended" in said
    assert "apart: completed" in said
    assert "hang" not in toy.read("dvc.lock")


def test_what_stands_on_a_failure_is_skipped(toy: Toy):
    stages = STAGES | {"turn": STAGES["turn"] | {"cmd": "exit 1"}}
    toy.stages(stages)
    said = toy.flow("--keep-going", code=1)
    assert "1 that failed, turn" in said
    assert "5 stages: 3 completed, 1 failed, 1 skipped" in said
    toy.stages(STAGES)
    assert "5 stages: 3 cached, 2 completed" in toy.flow()


def test_independent_stages_overlap(toy: Toy):
    """Each waits for the other to have begun; one after the other would hang."""
    meet = "touch {0}; while [ ! -e {1} ]; do sleep 0.01; done; echo x > out/{0}"
    toy.stages(
        {
            me: {
                "cmd": f"mkdir -p out; {meet.format(me, you)}",
                "outs": [f"out/{me}"],
            }
            for me, you in (("a", "b"), ("b", "a"))
        }
    )
    said = toy.flow("--workers", "2", "--timeout", "60")
    assert "2 stages: 2 completed" in said


def test_the_second_of_two_runs_waits_and_finds_all_cached(toy: Toy):
    go = "touch begun; while [ ! -e go ]; do sleep 0.01; done; echo x > out"
    toy.stages({"wait": out(go)})
    command = ["python", "-m", "flows", "--local"]
    runs = [
        subprocess.Popen(
            command, cwd=toy.folder, env=toy.env, stdout=subprocess.PIPE, text=True
        )
    ]
    while not (toy.folder / "begun").exists():
        assert runs[0].poll() is None
    runs.append(
        subprocess.Popen(
            command, cwd=toy.folder, env=toy.env, stdout=subprocess.PIPE, text=True
        )
    )
    assert runs[1].stdout
    assert re.match(f"waiting for .* {runs[0].pid} ", runs[1].stdout.readline())
    (toy.folder / "go").touch()
    assert "1 completed" in runs[0].communicate(timeout=240)[0]
    assert "1 cached" in runs[1].communicate(timeout=240)[0]


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_lock(toy: Toy):
    """Stages that take a moment, outputs renamed into place as ours are."""
    hold = toy.folder.parent / "hold"  # the last stage waits, so that no run ends
    waits = f"while [ -e {hold} ]; do sleep 0.05; done; "
    write = "sleep 0.5; cat {0} > {1}.tmp; mv {1}.tmp {1}"
    names = [f"out/{n}.txt" for n in range(16)]
    stages = {
        f"s{n}": {
            "cmd": f"{waits if n == 15 else ''}mkdir -p out; {write.format(dep, name)}",
            "deps": [dep],
            "outs": [name],
        }
        for n, name in enumerate(names)
        for dep in [names[n - 3] if n > 2 else "in.txt"]
    }
    toy.stages(stages)
    toy.flow()
    lock = toy.read("dvc.lock")
    toy.run("rm", "-r", "out", "dvc.lock", ".dvc/cache")
    hold.touch()
    moments = random.Random(0)  # noqa: S311
    for _ in range(KILLS):
        run = subprocess.Popen(
            ["python", "-m", "flows", "--local"],
            cwd=toy.folder,
            env=toy.env,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert run.stdout
        if moments.randrange(4):  # in the midst of its stages
            assert ": " in run.stdout.readline()
        time.sleep(moments.uniform(0, 1.5))
        os.killpg(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, run.stdout.read()
        if (toy.folder / "dvc.lock").exists():  # whole, at any moment
            text = toy.read("dvc.lock")
            assert text.endswith("\n")
            assert set(re.findall(r"^  (\S+):$", text, re.MULTILINE)) <= {*stages}
    hold.unlink()
    toy.flow()
    assert toy.read("dvc.lock") == lock
    assert "up to date" in toy.dvc("status")
    # DVC's own temporary copies begin with a dot; git and DVC ignore them
    assert not list(toy.folder.glob("out/[!.]*.tmp"))


def test_interrupted_it_ends_its_stages(toy: Toy):
    toy.stages({"long": out("echo $$ > pid; sleep 600")})
    run = subprocess.Popen(
        ["python", "-m", "flows", "--local"], cwd=toy.folder, env=toy.env
    )
    until = time.monotonic() + 240
    while not (toy.folder / "pid").exists() or not toy.read("pid"):
        assert time.monotonic() < until
    run.send_signal(signal.SIGINT)
    assert run.wait(240) != 0
    assert not Path(f"/proc/{toy.read('pid').strip()}").exists()
