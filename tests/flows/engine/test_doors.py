"""What is asked before anything runs: is dvc.lock whole, are outputs our own."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flows.engine import run as engine
from flows.engine.graph import Graph
from flows.engine.run import Run
from tests.flows.toy import ROOT, STAGES, Toy

ALL = ["make", "up", "turn", "join", "apart"]
KILLS = 3


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy(tmp_path / "toy")
    monkeypatch.chdir(made.folder)
    return made


def refusal(said: str) -> str:
    """The one line that a refused command prints."""
    lines = said.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("refused: ")
    return lines[0]


def test_a_lock_that_lost_stages_stops_the_flow_and_git_mends_it(toy: Toy):
    toy.flow()
    toy.commit()
    lock = toy.read("dvc.lock")
    head = lock[: lock.index("\n  turn:") + 1]
    for cut in (head, lock[:-20], "", "<<<<<<< ours\n" + lock):
        toy.write("dvc.lock", cut)
        os.utime("dvc.lock", (1, 1))
        said = refusal(toy.flow(code=1))
        assert said.endswith("run: git checkout dvc.lock")
        assert toy.read("dvc.lock") == cut
        assert toy.read("joined.txt") == "eno\nowt\nONE\nTWO\n"
    toy.run("git", "checkout", "-q", "dvc.lock")
    assert "5 cached" in toy.flow()
    toy.stages({name: STAGES[name] for name in ALL[:3]})  # the others are gone for good
    toy.write("dvc.lock", head + lock[lock.index("\n  turn:") + 1 :])
    assert "3 cached" in toy.flow()


def test_a_folder_without_dvc_yaml_or_stages_is_refused(toy: Toy):
    toy.stages({})
    assert "dvc.yaml: stages: found none" in refusal(toy.flow(code=1))
    (toy.folder / "dvc.yaml").unlink()
    assert "dvc.yaml: found no file" in refusal(toy.flow(code=1))


def test_a_folder_of_the_users_is_not_removed(toy: Toy):
    (toy.folder / "made").mkdir()
    toy.write("made/mine.txt", "mine")
    said = refusal(toy.flow(code=1))
    assert said.startswith("refused: made: output of make: ")
    assert said.endswith("it may be yours; move it away, or remove it")
    assert toy.read("made/mine.txt") == "mine"
    assert not (toy.folder / "dvc.lock").exists()
    assert "1 completed" in toy.flow("apart")  # does not write there
    toy.run("mv", "made", "mine")
    assert "4 completed" in toy.flow()
    assert toy.read("mine/mine.txt") == "mine"


def test_outputs_of_our_own_are_replaced(toy: Toy):
    """Edited, left by a failure, in the cache though dvc.lock is gone."""
    toy.flow()
    toy.write("joined.txt", "edited")
    assert "1 completed" in (said := toy.flow()) or "from the run cache" in said
    assert toy.read("joined.txt") == "eno\nowt\nONE\nTWO\n"
    toy.run("rm", "-r", "dvc.lock", ".offcut")
    assert "5 cached" in toy.flow()
    toy.stages({"half": {"cmd": "echo half > out; exit 1", "outs": ["out"]}})
    toy.flow(code=1)
    toy.stages({"half": {"cmd": "echo whole > out", "outs": ["out"]}})
    assert "1 completed" in toy.flow()
    toy.run("rm", "-r", "dvc.lock", ".offcut")
    toy.write("out", "mine")  # nothing knows it
    assert "out: output of half" in refusal(toy.flow(code=1))


@pytest.fixture
def full_cache(toy: Toy) -> Iterator[None]:
    """A disk of 64 kB where DVC's cache goes, after a run; only root may mount one."""
    toy.flow()
    cache = toy.folder / ".dvc/cache"
    toy.run("mv", str(cache), str(cache.with_name("before")))
    cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(cache)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield
    subprocess.run(["umount", str(cache)], check=True)


def test_a_full_cache_is_told_before_outputs_go(toy: Toy, full_cache: None):
    """By the flow, by what `make run` asks first, and by stages that DVC starts."""
    toy.write("in.txt", "three\n")
    said = toy.flow(code=1)
    assert re.search(
        r"^make: failed, refused: \S+/.dvc/cache\S*: free bytes", said, re.M
    )
    assert "Traceback" not in said
    said = refusal(toy.run("python", "-m", "tasks.artifacts.mend", "--keep", code=1))
    assert said.startswith("refused: .dvc/cache: free bytes")
    assert toy.read("made/a.txt") == "one\ntwo\n"
    command = "from tasks.artifacts.stage import run_stage; exit(run_stage(exit))"
    toy.env["DVC_STAGE"] = "make"
    said = refusal(toy.run("python", "-c", command, code=1))
    assert said.startswith("refused: .dvc/cache: free bytes")


@pytest.mark.parametrize("door", [("dvc", "repro"), ("flows", "--local")])
def test_the_stage_code_finds_what_it_wrote_before(toy: Toy, door: tuple[str, ...]):
    """Refused, it leaves that; DVC removes the outputs of every other stage."""
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))
    outs = graph["stages"]["code"]["outs"]
    command = "cat data/code/old > said; exit 1"
    toy.stages({"code": {"cmd": command, "deps": ["in.txt"], "outs": outs}})
    (toy.folder / "data/code").mkdir(parents=True)
    toy.write("data/code/old", "old")
    toy.run("python", "-m", *door, code=255 if "dvc" in door else 1)
    assert (toy.read("said"), toy.read("data/code/old")) == ("old", "old")


def test_a_disk_that_fills_up_while_recording_is_one_line(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", ".dvc/cache/x")

    monkeypatch.setattr(Graph, "end", full)
    outcome = Run(Graph()).stage("apart")
    assert outcome.message.splitlines() == [
        "OSError: [Errno 28] No space left on device: '.dvc/cache/x'",
        "log: .offcut/logs/apart.log",
    ]
    assert "Traceback" in toy.read(".offcut/logs/apart.log")


def test_logs_take_any_bytes(toy: Toy):
    bad = r"printf 'the reason \377\n'; exit 1"
    toy.stages({"bad": {"cmd": bad, "outs": ["out"]}})
    assert "the reason \ufffd" in Run(Graph()).stage("bad").message
    path = toy.folder / ".offcut/logs/bad.log"
    path.write_bytes(b"the reason \xff\n")
    assert "the reason" in engine._tail(path)
    with engine._open_log(path, "a") as log:
        log.write("a name \udcff")
    assert "a name" in engine._tail(path)


def test_logs_that_cannot_be_written_hold_no_stage(toy: Toy):
    toy.run("mkdir", "-p", ".offcut")
    toy.write(".offcut/logs", "a file")
    outcome = Run(Graph()).stage("apart")
    assert outcome.state == "failed"
    assert outcome.message.startswith("FileExistsError: ")
    (toy.folder / ".offcut/logs").unlink()
    assert Run(Graph()).stage("apart").state == "completed"


def test_interrupted_it_says_so_in_a_word(toy: Toy):
    toy.stages({"long": {"cmd": "echo $$ > pid; sleep 600", "outs": ["out"]}})
    run = subprocess.Popen(
        ["python", "-m", "flows", "--local"],
        cwd=toy.folder,
        env=toy.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (toy.folder / "pid").exists():
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=240)[1] == "interrupted\n"
    assert run.returncode == 130


# Ctrl-C in the seconds in which a flow imports DVC
EARLY = """
import builtins, runpy, sys
real = builtins.__import__

def interrupted(name, *given, **named):
    if name.partition(".")[0] == "dvc":
        raise KeyboardInterrupt
    return real(name, *given, **named)

builtins.__import__ = interrupted
sys.argv = ["flows", "--local"]
runpy.run_module("flows", run_name="__main__")
"""


def test_interrupted_while_it_starts_it_says_so_in_a_word(toy: Toy):
    assert toy.run("python", "-c", EARLY, code=130) == "interrupted\n"


# DVC's own writing of dvc.lock, ended in the midst of it
CUT = """
import io, os, sys
from dvc.cli import main
from dvc.utils.serialize import _yaml
left, whole = int(sys.argv.pop(1)), _yaml._dump

def cut(data, stream):
    if not stream.name.endswith("dvc.lock"):
        return whole(data, stream)
    text = io.StringIO()
    whole(data, text)
    stream.write(text.getvalue()[:left])
    stream.flush()
    os._exit(9)

_yaml._dump = cut
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_plain_repro_killed_in_its_writing_loses_nothing(toy: Toy):
    """The copy of `make run` mends it, or the refusal names what does."""
    toy.flow()
    toy.commit()
    lock = toy.read("dvc.lock")
    moments = random.Random(0)  # noqa: S311
    for _ in range(KILLS):
        toy.run("python", "-m", "tasks.artifacts.mend", "--keep")
        toy.write("params.yaml", f"turn: {moments.randrange(9, 99)}\n")
        cut = str(moments.randrange(20, len(lock) - 20))
        toy.run(sys.executable, "-c", CUT, cut, "repro", code=9)
        assert len(toy.read("dvc.lock")) == int(cut)
        assert "git checkout dvc.lock" in refusal(toy.flow(code=1))
        if moments.randrange(2):
            assert "put back" in toy.run("python", "-m", "tasks.artifacts.mend")
        else:
            toy.run("git", "checkout", "-q", "dvc.lock")
        assert toy.read("dvc.lock") == lock
    toy.write("params.yaml", "turn: 1\n")
    toy.flow()
    assert toy.read("dvc.lock") == lock
