"""Progress: lines in a log, a bar on a terminal."""

import pytest
from rich.progress import Progress as Bar

from tasks.artifacts.progress import EVERY, LINES, SHORT, Progress, duration
from tests.terminal import in_terminal

WORK = """
import sys
from tasks.artifacts import progress
progress.SHORT = float(sys.argv[1])
with progress.Progress("train [1]", 3) as bar:
    for done in range(4):
        bar(done, f"loss {done}")
        progress.EVERY = 0
print("done")
"""


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, which a test sets."""
    time = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: time[0])
    return time


def lines(capsys: pytest.CaptureFixture[str], now: list[float], pace: float) -> str:
    """What a log gets of a work of 100 steps, ``pace`` seconds each."""
    with Progress("work", 100) as progress:
        progress(0)
        for done in range(1, 101):
            now[0] += pace
            progress(done, f"loss {done}")
    return capsys.readouterr().err


def test_a_log_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], now: list[float]
):
    assert lines(capsys, now, pace=0.25).splitlines() == [
        "work: 12/100, 22 s left  loss 12",
        "work: 52/100, 12 s left  loss 52",
        "work: 92/100, 2 s left  loss 92",
        "work: 100/100, in 25 s  loss 100",
    ]


def test_what_takes_no_time_leaves_a_log_empty(
    capsys: pytest.CaptureFixture[str], now: list[float]
):
    assert lines(capsys, now, pace=SHORT / 101) == ""


def test_a_work_that_goes_on_is_judged_by_its_present_pace(
    capsys: pytest.CaptureFixture[str], now: list[float]
):
    with Progress("work", 100) as progress:
        now[0] += 5
        progress(80)  # as a killed one left it
        now[0] += LINES
        progress(90)
    assert capsys.readouterr().err.splitlines()[-1] == "work: 90/100, 10 s left  "


def test_long_numbers_are_whole(capsys: pytest.CaptureFixture[str], now: list[float]):
    with Progress("work", 3_000_000) as progress:
        progress(0)
        now[0] += SHORT
        progress(1_234_567, left="soon")
    assert capsys.readouterr().err == "work: 1234567/3000000, soon  \n"


@pytest.mark.usefixtures("now")
def test_a_terminal_sees_the_end_and_not_every_call(
    monkeypatch: pytest.MonkeyPatch, now: list[float]
):
    drawn = []

    def refresh(self: Bar) -> None:
        drawn.append((self.tasks[0].completed, self.tasks[0].fields["words"]))

    monkeypatch.setattr(Bar, "refresh", refresh)
    progress = Progress("work", 1000)
    progress.live = True
    for done in range(1, 1001):
        now[0] += EVERY / 10
        progress(done, f"step {done}")
    assert drawn[-1] == (1000, "step 1000")
    assert 90 < len(drawn) < 110


def seen(short: float) -> str:
    """What a terminal is sent of a work."""
    return in_terminal("-c", WORK, str(short))


def test_on_a_terminal_one_line_is_drawn_again_in_place():
    said = seen(short=0)
    assert "train [1] ━" in said
    assert "100%" in said
    assert "s left" in said
    assert said.count("\n") == 2, said  # the bar stays, and "done" stands below
    assert "\x1b[2K" in said
    assert said.endswith("done\r\n")
    assert seen(short=60).rpartition("\x1b[2K")[2].endswith("done\r\n")


def test_durations_are_said_in_a_unit_that_fits():
    assert [duration(s) for s in (0, 89.4, 90, 3000, 9000)] == [
        "0 s",
        "89 s",
        "2 min",
        "50 min",
        "2.5 h",
    ]
