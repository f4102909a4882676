"""The graph against DVC's own command line."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.engine.graph import Graph
from flows.engine.processes import Command
from tasks.artifacts.errors import RefusedError
from tests.flows.toy import STAGES, Toy

ALL = ["make", "up", "turn", "join", "apart"]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy(tmp_path / "toy")
    monkeypatch.chdir(made.folder)
    return made


def ran(said: str) -> set[str]:
    """Stages whose command ran, of either door's output."""
    dvc = re.findall(r"^Running stage '(.+)':$", said, re.MULTILINE)
    return {*dvc, *re.findall(r"^(\S+): completed", said, re.MULTILINE)}


def states(said: str) -> dict[str, str]:
    found = re.findall(r"^(\S+): (cached|completed|failed),", said, re.MULTILINE)
    return dict(found)


def test_stages_edges_and_order_are_those_of_dvc(toy: Toy):
    graph = Graph()
    said = toy.dvc("repro")
    assert graph.names == re.findall(r"^Running stage '(.+)':$", said, re.MULTILINE)
    assert graph.parents == {
        "make": set(),
        "up": {"make"},
        "turn": {"make"},
        "join": {"up", "turn"},
        "apart": set(),
    }
    assert Graph(["turn"]).names == ["make", "turn"]
    assert graph.outputs("join") == [Path("joined.txt"), Path("size.json")]


def test_both_doors_write_the_same_lock(toy: Toy, tmp_path: Path):
    other = Toy(tmp_path / "other")
    assert ran(toy.flow()) == set(ALL)
    assert ran(other.dvc("repro")) == set(ALL)
    assert toy.read("dvc.lock") == other.read("dvc.lock")
    assert toy.read("joined.txt") == "eno\nowt\nONE\nTWO\n"
    for made in (toy, other):  # each door does nothing after the other
        assert ran(made.dvc("repro")) == set()
        assert "up to date" in made.dvc("status")
        assert states(made.flow()) == dict.fromkeys(ALL, "cached")


@pytest.mark.parametrize(
    ("file", "text", "stages"),
    [
        ("in.txt", "three\n", {"make", "up", "turn", "join"}),
        ("params.yaml", "turn: 2\n", {"turn", "apart"}),
    ],
)
def test_an_edit_runs_what_dvc_would_run(toy: Toy, file: str, text: str, stages):
    toy.flow()
    toy.write(file, text)
    toy.run("cp", "-r", ".", "../copy")
    copy = subprocess.run(
        ["python", "-m", "dvc", "repro"],
        cwd=toy.folder.parent / "copy",
        env=toy.env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran(toy.flow()) == ran(copy.stdout + copy.stderr) == stages
    assert toy.read("dvc.lock") == (toy.folder.parent / "copy/dvc.lock").read_text()


def test_what_ran_before_comes_from_the_run_cache(toy: Toy):
    toy.flow()
    lock = toy.read("dvc.lock")
    toy.write("in.txt", "three\n")
    toy.flow()
    toy.write("in.txt", "one\ntwo\n")
    said = toy.flow()
    assert "make: cached, known, from the run cache" in said
    assert toy.read("dvc.lock") == lock
    assert toy.read("joined.txt") == "eno\nowt\nONE\nTWO\n"


def test_lost_outputs_and_a_lost_lock_come_back(toy: Toy):
    toy.flow()
    lock = toy.read("dvc.lock")
    toy.run("rm", "-r", "made", "parts/up.txt", "joined.txt")
    assert ran(toy.flow()) == set()
    assert toy.read("joined.txt") == "eno\nowt\nONE\nTWO\n"
    toy.run("rm", "-r", "dvc.lock", "made")
    assert ran(toy.flow()) == set()
    assert toy.read("dvc.lock") == lock


def test_force_runs_them_again(toy: Toy):
    toy.flow()
    assert ran(toy.flow("--force", "turn")) == {"make", "turn"}


def test_frozen_always_changed_and_tracked_files(toy: Toy):
    stages = yaml.safe_load(yaml.safe_dump(STAGES))
    stages["up"]["frozen"] = True
    stages["apart"]["always_changed"] = True
    toy.flow()
    toy.run("git", "rm", "-q", "--cached", "in.txt")
    toy.dvc("add", "-q", "in.txt")
    toy.stages(stages)
    toy.write("in.txt", "three\n")
    assert ran(toy.flow()) == {"make", "turn", "join", "apart"}
    assert toy.read("parts/up.txt") == "ONE\nTWO\n"
    assert "in.txt" not in toy.dvc("status")
    assert ran(toy.flow()) == {"apart"}


def test_an_output_another_process_holds_is_waited_for(toy: Toy):
    """A `dvc repro` is stopped in the middle of a stage and goes on when we wait."""
    slow = {"cmd": "echo $$ > pid; sleep 1; echo x > apart.txt", "outs": ["apart.txt"]}
    toy.stages({"apart": slow})
    graph = Graph()
    other = subprocess.Popen(
        ["python", "-m", "dvc", "repro", "-q"], cwd=toy.folder, env=toy.env
    )
    lines: list[str] = []
    try:
        while not (toy.folder / "pid").exists():
            assert other.poll() is None
        pid = int(toy.read("pid") or 0)
        if pid:
            subprocess.run(["kill", "-STOP", str(pid)], check=True)

        def tell(line: str) -> None:
            lines.append(line)
            subprocess.run(["kill", "-CONT", str(pid)], check=False)

        found = graph.begin("apart", tell)
        assert isinstance(found, str) or "apart" in found.lines[0]
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert len(lines) == 1
    assert re.match(r"waiting: .*apart.txt' is busy, .*PID \d+", lines[0])


def test_a_dependency_edited_while_its_stage_runs_fails_it(toy: Toy):
    edited = {"cmd": "cp in.txt out; echo more >> in.txt", "deps": ["in.txt"]}
    toy.stages({"copy": edited | {"outs": ["out"]}})
    said = toy.flow(code=1)
    assert "copy: dependency: found in.txt, changed while the stage ran" in said
    assert not (toy.folder / "dvc.lock").exists()
    assert not json.loads(toy.read(".dvc/tmp/rwlock")).get("write")  # let go of


WRITE_CODE = (
    "from pathlib import Path; from tasks.code import write; "
    "write(Path('data/code'), Path.cwd())"
)


@pytest.mark.parametrize("moment", ["before", "during"])
def test_code_edited_while_the_graph_runs_fails_its_stage(toy: Toy, moment: str):
    """Before: by an earlier stage, after the stage ``code`` has seen it."""
    source, copy = toy.folder / "tasks/train/bc.py", "cp in.txt out"
    source.parent.mkdir(parents=True)
    source.write_text("rate = 1\n")
    source.with_name("other.py").touch()
    edit = "echo 'rate = 2' > tasks/train/bc.py"
    deps = ["in.txt", "data/code/train/bc.json"]
    toy.stages(
        {
            "code": {
                "cmd": f'python -c "{WRITE_CODE}"',
                "deps": ["tasks"],
                "outs": [{"data/code": {"cache": False}}],
            },
            "first": {
                "cmd": f"{edit if moment == 'before' else 'true'}; echo > first",
                "deps": ["data/code/train/other.json"],
                "outs": ["first"],
            },
            "copy": {
                "cmd": f"{edit if moment == 'during' else 'true'}; touch ran; {copy}",
                "deps": [*deps, "first"],
                "outs": ["out"],
            },
        }
    )
    said = toy.flow("--keep-going", code=1)
    what = "graph" if moment == "before" else "stage"
    words = f"copy: dependency: found tasks/train/bc.py, changed while the {what} ran"
    assert words in said
    assert (toy.folder / "ran").exists() == (moment == "during")
    after = {"code": "completed", "first": "cached", "copy": "completed"}
    assert states(toy.flow()) == after


def test_a_list_of_held_files_cut_by_a_kill_holds_up_nothing(toy: Toy):
    toy.write(".dvc/tmp/rwlock", '{"wri')
    assert "busy" not in toy.dvc("repro", code=255)  # DVC says that it is corrupted
    assert "5 completed" in toy.flow()


def test_a_run_that_a_kill_left_empty_holds_up_nothing(toy: Toy):
    toy.flow()
    runs = toy.folder / ".dvc/cache/runs"
    for run in runs.glob("*/*/*"):
        run.unlink()
    toy.run("rm", "dvc.lock")
    assert "TypeError" in toy.dvc("repro", "-v", code=255)  # DVC stumbles over it
    assert "5 completed" in toy.flow()


def refused(toy: Toy, stages: dict[str, Any], *targets: str) -> str:
    toy.stages(stages)
    with pytest.raises(RefusedError) as found:
        Graph(targets)
    return str(found.value)


def test_bad_graphs_are_refused_before_anything_runs(toy: Toy):
    cycle = {
        "a": {"cmd": "x", "deps": ["b.txt"], "outs": ["a.txt"]},
        "b": {"cmd": "x", "deps": ["a.txt"], "outs": ["b.txt"]},
    }
    assert re.search(r"in stages: (a, b|b, a), expected", refused(toy, cycle))
    missing = {"a": {"cmd": "x", "deps": ["nowhere.txt"], "outs": ["a.txt"]}}
    said = refused(toy, missing)
    assert said.startswith("dvc.yaml: a: deps: found nowhere.txt, which does not exist")
    twice = {n: {"cmd": "x", "outs": ["a.txt"]} for n in "ab"}
    assert "a.txt" in refused(toy, twice)
    assert "the nearest is turn" in refused(toy, STAGES, "turm")
    assert "cmds" in refused(toy, {"a": {"cmds": "x"}})
    assert not (toy.folder / "dvc.lock").exists()


def test_a_missing_output_fails_the_stage_alone(toy: Toy):
    silent = {"cmd": "true", "outs": ["out"]}
    toy.stages({"silent": silent, "apart": STAGES["apart"]})
    said = toy.flow("--keep-going", code=1)
    assert states(said) == {"silent": "failed", "apart": "completed"}
    assert re.search(r"silent: failed, refused: .*'out' does not exist", said)
    assert "silent" not in toy.read("dvc.lock")


def test_begin_says_what_to_run_as_dvc_does(toy: Toy):
    graph = Graph()
    assert graph.begin("make") == Command(
        (STAGES["make"]["cmd"],),
        graph.begin("make").shell,  # type: ignore[union-attr]
        graph.begin("make").env,  # type: ignore[union-attr]
        toy.folder,
    )
    found = graph.begin("make")
    assert isinstance(found, Command)
    assert found.env["DVC_STAGE"] == "make"
    assert found.env["DVC_ROOT"] == str(toy.folder)
