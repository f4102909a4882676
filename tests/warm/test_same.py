"""A child of the server is like the process it stands for."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.warm.toy import LINUX, Toy, servers

pytestmark = pytest.mark.skipif(not LINUX, reason="elsewhere stages start cold")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    made = Toy(tmp_path_factory.mktemp("toy"))
    yield made
    made.end()


def both(toy: Toy, *arguments: str, **changes: Any) -> tuple[Any, Any]:
    """How a command ends cold and warm."""
    cold = toy.run(*arguments, **changes, OFFCUT_WARM="0")
    warm = toy.run(*arguments, **changes, OFFCUT_WARM="1")
    assert servers(toy.folder)
    return cold, warm


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))


def ignore() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (None, {}),
        (None, {"PYTHONUNBUFFERED": "1", "ONE_MORE": " a\nb=c\udcff"}),
        (None, {"PYTHONIOENCODING": "latin-1:replace", "LC_ALL": "C"}),
        (None, {"PYTHONHASHSEED": "3", "PYTHONFAULTHANDLER": "1", "TZ": "Asia/Tokyo"}),
        (lambda: os.umask(0o027), {}),
        (lambda: os.nice(3), {}),
        (limit, {}),
        (ignore, {}),
        (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}), {}),
        (lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}), {}),
    ],
)
def test_it_is_given_the_same(toy: Toy, before: Any, changes: dict[str, str]):
    given = {"before": before, "given": "typed\n", **changes}
    cold = toy.said("describe", "", "--a=ü\n", OFFCUT_WARM="0", **given)
    warm = toy.said("describe", "", "--a=ü\n", OFFCUT_WARM="1", **given)
    assert servers(toy.folder)
    cold["environment"]["OFFCUT_WARM"] = "1"
    assert warm == cold


@pytest.mark.parametrize(
    "arguments",
    [
        ("exit", "0"),
        ("exit", "None"),
        ("exit", "77"),
        ("exit", "'a text'"),
        ("exit", "300"),
        ("fail",),
        ("interrupt",),
        ("signal", str(int(signal.SIGTERM))),
        ("signal", str(int(signal.SIGINT))),
        ("signal", str(int(signal.SIGKILL))),
        ("signal", str(int(signal.SIGSEGV))),
    ],
)
def test_it_ends_the_same(toy: Toy, arguments: tuple[str, ...]):
    cold, warm = both(toy, *arguments)
    assert warm == cold


@pytest.mark.parametrize("unbuffered", [None, "1"])
def test_it_prints_in_the_same_order(toy: Toy, unbuffered: str | None, tmp_path: Path):
    printed = []
    for warm in "01":
        with (tmp_path / warm).open("w") as file:
            out = file.fileno()
            subprocess.run(
                [sys.executable, "-m", "tasks.toy", "order"],
                cwd=toy.folder,
                env=toy.environment(OFFCUT_WARM=warm, PYTHONUNBUFFERED=unbuffered),
                check=True,
                stdout=out,
                stderr=out,
            )
        printed.append((tmp_path / warm).read_text())
    assert "at exit" in printed[0]
    assert printed[0] == printed[1]


def test_a_module_that_is_not_there_is_told_the_same(toy: Toy):
    (toy.folder / "tasks/gone.py").touch()
    (toy.folder / "tasks/gone.py").unlink()
    script = toy.folder / "tasks/toy.py"
    text = script.read_text()
    script.write_text("import not_there\n")
    try:
        cold, warm = both(toy, "who")
    finally:
        script.write_text(text)
    assert cold[0] == 1
    assert warm == cold


def test_chance_is_not_shared(toy: Toy):
    assert toy.run("random")[1].split() != toy.run("random")[1].split()
    first, second = (toy.run("random")[1].split() for _ in range(2))
    assert not set(first) & set(second)


def test_libraries_work_the_same(tmp_path: Path):
    """As they were imported and set up, and to the last bit."""
    toy = Toy(tmp_path, whole=True)
    try:
        cold = toy.said("libraries", OFFCUT_WARM="0")
        warm, again = (toy.said("libraries", OFFCUT_WARM="1") for _ in range(2))
        assert servers(toy.folder)
    finally:
        toy.end()
    cold["environment"]["OFFCUT_WARM"] = "1"
    by_chance = [said.pop("seed") for said in (cold, warm, again)]
    assert len(set(by_chance)) == 3
    filters = set(warm.pop("filters")) ^ set(cold.pop("filters"))
    assert all("ignore" in text for text in filters)  # of libraries not imported cold
    assert warm == cold
