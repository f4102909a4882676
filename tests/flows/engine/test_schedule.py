"""What starts when, and what becomes of the rest."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from flows.engine import schedule
from flows.engine.schedule import Outcome, run, tally

DONE = Outcome("completed")
DIAMOND: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


class Recorder:
    """Starts stages on threads and remembers when."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[str], Outcome] = lambda _: DONE,
    ) -> None:
        self.pool, self.work = pool, work
        self.outcomes: dict[str, Outcome] = {}
        self.events: list[tuple[str, str]] = []
        self.most, self.now, self.lock = 0, 0, threading.Lock()

    def start(self, name: str) -> "Future[None]":
        with self.lock:
            self.events.append(("start", name))
            self.now += 1
            self.most = max(self.most, self.now)
        return self.pool.submit(self._work, name)

    def _work(self, name: str) -> None:
        outcome = self.work(name)
        with self.lock:
            self.outcomes[name] = outcome
            self.events.append(("end", name))
            self.now -= 1


def test_a_stage_starts_after_all_its_parents(pool: ThreadPoolExecutor):
    chance = random.Random(0)  # noqa: S311
    names = [f"s{n}" for n in range(60)]
    parents = {
        name: chance.sample(names[:place], min(place, chance.randrange(4)))
        for place, name in enumerate(names)
    }
    seen = Recorder(pool)
    outcomes = run(parents, seen.start, seen.outcomes, workers=4)
    assert outcomes == dict.fromkeys(names, DONE)
    for name, of in parents.items():
        begun = seen.events.index(("start", name))
        assert all(seen.events.index(("end", parent)) < begun for parent in of)
    assert seen.most <= 4


def test_independent_stages_overlap(pool: ThreadPoolExecutor):
    """Each of the two waits for the other to have begun."""
    both = threading.Barrier(2, timeout=240)

    def meet(name: str) -> Outcome:
        if name in "bc":
            both.wait()
        return DONE

    seen = Recorder(pool, meet)
    assert set(run(DIAMOND, seen.start, seen.outcomes, workers=2).values()) == {DONE}


def test_the_longest_way_goes_first(pool: ThreadPoolExecutor):
    parents: dict[str, list[str]] = {"x": [], "a": [], "b": ["a"], "c": ["b"], "y": []}
    seen = Recorder(pool)
    run(parents, seen.start, seen.outcomes, workers=1)
    assert [n for kind, n in seen.events if kind == "start"] == [
        "a",
        "b",
        "x",
        "c",
        "y",
    ]


@pytest.mark.parametrize(
    ("keep_going", "other"), [(True, "completed"), (False, "skipped")]
)
def test_after_a_failure(pool: ThreadPoolExecutor, keep_going: bool, other: str):
    parents = DIAMOND | {"e": ["d"], "f": ["c"], "g": ["f"]}

    def work(name: str) -> Outcome:
        return Outcome("failed", "no") if name == "b" else DONE

    seen = Recorder(pool, work)
    ended = run(parents, seen.start, seen.outcomes, workers=1, keep_going=keep_going)
    states = {name: outcome.state for name, outcome in ended.items()}
    assert list(states) == list(parents)
    assert states["b"] == "failed"
    assert states["d"] == states["e"] == "skipped"
    assert states["g"] == other
    assert "1 failed" in tally(ended)


def test_a_worker_that_ends_without_a_word_is_a_failure(pool: ThreadPoolExecutor):
    outcomes = run({"a": [], "b": ["a"]}, lambda _: pool.submit(int), {}, workers=1)
    assert outcomes["a"].state == "failed"
    assert outcomes["b"].state == "skipped"


def test_nothing_to_do():
    assert run({}, lambda _: Future(), {}, workers=1) == {}
    assert tally({}) == "0 stages: nothing to do"


def test_workers_that_come_get_stages_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schedule, "LOOK", 0.01)
    outcomes: dict[str, Outcome] = {}
    futures: dict[str, Future[None]] = {}

    def start(name: str) -> Future[None]:
        """None ends before all three run, though there was one worker at first."""
        futures[name] = Future()
        if len(futures) == 3:
            outcomes.update(dict.fromkeys("abc", DONE))
            for future in futures.values():
                future.set_result(None)
        return futures[name]

    parents = {name: set[str]() for name in "abc"}
    run(parents, start, outcomes, workers=lambda: 3 if futures else 1)
    assert list(futures) == ["a", "b", "c"]
