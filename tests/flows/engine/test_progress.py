"""How far a run is, and how long the rest takes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.engine.graph import Graph
from flows.engine.progress import Seconds, Told, Watch, told
from flows.engine.run import Run
from flows.engine.schedule import Outcome
from tests.flows.toy import Toy

COMPLETED = Outcome("completed", "1.0 s", 1.0)


@pytest.mark.parametrize(
    ("line", "share", "left"),
    [
        ("train d-iql: 12/100, 22 s left  actor_loss 0.1  q 3", 0.12, 22.0),
        ("elites play, draw 0: 0.5/1, 2 min left  clean", 0.5, 120.0),
        ("bc: 1e+06/2e+06, 2.5 h left  loss", 0.5, 9000.0),
        ("bc: 1/2  loss", 0.5, None),
        ("work: 4/4, in 12 s  ", 1.0, None),
    ],
)
def test_a_line_of_progress_is_read(line: str, share: float, left: float | None):
    assert told(line) == Told(share, " ".join(line.split()), left)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "12/100",
        "a: 5/4  b",
        "a: 1/0  b",
        "a: ./.  b",
        "seen: http://1/2",
        "a: 1/2",
        "a: 1/4, 1.2.3 s left  ",
    ],
)
def test_another_line_is_none(line: str):
    assert told(line) is None


def test_seconds_are_kept_and_a_broken_file_is_none(tmp_path: Path):
    seconds = Seconds(tmp_path / "new/seconds.json")
    assert seconds.read() == {}
    seconds.keep("b", 2.04)
    seconds.keep("a", 61.0)
    assert seconds.read() == {"a": 61.0, "b": 2.0}
    for text in ("", "[1]", '{"a": "x", "b": NaN}', '{"a": '):
        seconds.path.write_text(text)
        assert seconds.read() == {}
    seconds.path.write_text(json.dumps({"a": -1, "b": "x", "c": 3}))
    assert seconds.read() == {"c": 3.0}
    seconds.path.unlink()
    seconds.path.mkdir()
    seconds.keep("a", 1.0)  # what cannot be written is no failure of the run
    assert seconds.read() == {}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("watched") / "toy")


@pytest.fixture
def toy(made: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, which a test sets."""
    time = [1000.0]
    monkeypatch.setattr("flows.engine.progress.time.monotonic", lambda: time[0])
    return time


def watch(workers: int = 2, **known: float) -> Watch:
    """Of a new run of the toy in the current folder, which knows some seconds."""
    Path(".offcut").mkdir(exist_ok=True)
    Path(".offcut/seconds.json").write_text(json.dumps(known))
    seconds = Seconds(Path(".offcut/seconds.json"))
    return Watch(Run(Graph()), seconds, workers)


ALL = {"make": 10, "up": 60, "turn": 20, "join": 30, "apart": 5}


@pytest.mark.usefixtures("toy")
def test_the_rest_takes_as_long_as_its_longest_chain(now: list[float]):
    run = watch(**ALL)
    assert str(run.standing()) == "0 of 5 stages; about 2 min left"  # 10 + 60 + 30
    run.begun["make"] = now[0]
    now[0] += 4
    left = "about 2 min left"
    assert str(run.standing()) == f"0 of 5 stages; {left}; now make (6 s left)"
    run.run.outcomes["make"] = COMPLETED
    run.begun |= {"up": now[0], "turn": now[0]}
    now[0] += 40
    left = "about 50 s left"
    assert str(run.standing()) == f"1 of 5 stages; {left}; now up (20 s left), turn"
    now[0] += 100  # it takes longer than the last time
    assert str(run.standing()) == "1 of 5 stages; about 30 s left; now up, turn"


@pytest.mark.usefixtures("toy", "now")
def test_a_single_worker_does_all_of_it():
    assert watch(workers=1, **ALL).standing().left == "about 2 min left"
    half = {name: seconds / 2 for name, seconds in ALL.items()}
    assert watch(workers=1, **half).standing().left == "about 62 s left"
    assert watch(workers=2, **half).standing().left == "about 50 s left"


@pytest.mark.usefixtures("toy")
def test_without_all_seconds_there_is_a_count_alone(now: list[float]):
    known = {name: seconds for name, seconds in ALL.items() if name != "join"}
    run = watch(**known)
    run.begun["make"] = now[0] - 4
    assert str(run.standing()) == "0 of 5 stages; now make (6 s left)"


@pytest.mark.usefixtures("toy")
def test_a_stage_that_tells_its_progress_is_judged_by_that(
    now: list[float], monkeypatch: pytest.MonkeyPatch
):
    run = watch(**ALL)

    def stage(name: str, tell: Callable[[str], None]) -> Outcome:
        now[0] += 30
        tell("make: 1/4, 90 s left  loss 1")
        said.append(str(run.standing()))
        run.run.outcomes[name] = COMPLETED
        return COMPLETED

    said: list[str] = []
    lines: list[str] = []
    monkeypatch.setattr(run.run, "stage", stage)
    assert run.stage("make", lines.append) == COMPLETED
    assert lines == ["make: 1/4, 90 s left  loss 1"]
    # 90 s of make, then 60 and 30
    left = "about 3 min left"
    assert said == [f"0 of 5 stages; {left}; now make 25 % (2 min left)"]
    assert run.seconds.read() == ALL | {"make": 1.0}


def test_a_run_writes_down_seconds_and_what_is_unchanged_takes_none(toy: Toy):
    (toy.folder / ".offcut/seconds.json").unlink(missing_ok=True)
    toy.flow()
    kept = json.loads(toy.read(".offcut/seconds.json"))
    assert kept.keys() == ALL.keys()
    assert str(watch(**ALL).standing()) == "0 of 5 stages"
    toy.write("params.yaml", "turn: 2\n")
    # turn, join and apart; up stays
    assert watch(**ALL).standing().left == "about 50 s left"
