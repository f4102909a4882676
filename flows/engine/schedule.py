"""Which stage may start when, and what became of each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal, Protocol

LOOK = 1  # seconds between two looks at how many workers there are

State = Literal["cached", "completed", "failed", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What became of a stage.

    Attributes:
        state: cached (nothing to run), completed, failed, or skipped because a stage it
            stands on failed.
        message: Why; of a failed one, with the last lines of its log.
        seconds: Wall time of its command.
    """

    state: State
    message: str = ""
    seconds: float = 0.0


class Future(Protocol):
    """What the futures of threads, Prefect and Dask have in common."""

    def add_done_callback(self, fn: Callable[..., None]) -> None:
        """Call a function when the work has ended."""


def run(
    parents: Mapping[str, Collection[str]],
    start: Callable[[str], Future],
    outcomes: Mapping[str, Outcome],
    *,
    workers: int | Callable[[], int],
    keep_going: bool = False,
    look: Callable[[], None] = lambda: None,
) -> dict[str, Outcome]:
    """Run stages, each as soon as all its parents ended, ``workers`` at once.

    Among those that may start, the one with the longest chain of stages behind it goes
    first: the critical path decides how long the run takes.

    Args:
        parents: The stages each one stands on, parents before children; the order
            breaks ties.
        start: Starts a stage, which puts its outcome into ``outcomes`` before it ends.
        outcomes: What became of the stages that have ended.
        workers: How many may run at once; a function is asked anew before each start.
        keep_going: After a failure, still run what does not stand on the failed stage;
            otherwise nothing more is started.
        look: Called after each start or end, and once a second.

    Returns:
        An outcome of every stage.
    """
    waiting = {name: set(above) & parents.keys() for name, above in parents.items()}
    chains = _chain_lengths(waiting)
    ended: SimpleQueue[str] = SimpleQueue()
    done: dict[str, Outcome] = {}
    running: set[str] = set()
    while waiting or running:
        failed = any(o.state == "failed" for o in done.values())
        for name in [n for n in waiting if _blocked(waiting[n], done)]:
            del waiting[name]
            done[name] = Outcome("skipped", "a stage it stands on failed")
        ready = [n for n, above in waiting.items() if above <= done.keys()]
        if failed and not keep_going:
            ready = []
        ready.sort(key=lambda name: -chains[name])
        room = workers() if callable(workers) else workers
        for name in ready[: max(room - len(running), 0)]:
            del waiting[name]
            running.add(name)
            start(name).add_done_callback(lambda _, name=name: ended.put(name))
        look()
        if not running:
            if failed and not keep_going:
                rest = Outcome("skipped", "the run ended at a failure before it")
                done |= dict.fromkeys(waiting, rest)
                break
            continue  # what stands on a skipped stage is skipped next
        try:
            name = ended.get(timeout=LOOK)
        except Empty:  # there may be more workers now
            continue
        running.remove(name)
        lost = Outcome("failed", "its worker ended without a word")
        done[name] = outcomes.get(name, lost)
    look()
    return {name: done[name] for name in parents}


def _blocked(parents: Iterable[str], done: Mapping[str, Outcome]) -> bool:
    """Whether one of a stage's parents failed or was skipped."""
    return any(n in done and done[n].state in {"failed", "skipped"} for n in parents)


def _chain_lengths(parents: dict[str, set[str]]) -> dict[str, int]:
    """The number of stages on the longest path from each to an end of the graph."""
    lengths = dict.fromkeys(parents, 1)
    for name in reversed(parents):  # children before their parents
        for parent in parents[name]:
            lengths[parent] = max(lengths[parent], lengths[name] + 1)
    return lengths


def tally(outcomes: Mapping[str, Outcome]) -> str:
    """How many stages ended how, in one line."""
    states: Sequence[State] = ("cached", "completed", "failed", "skipped")
    counts = {s: sum(o.state == s for o in outcomes.values()) for s in states}
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    return f"{len(outcomes)} stages: {', '.join(parts) or 'nothing to do'}"
