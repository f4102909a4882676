"""Progress: lines in a log, a bar on a terminal."""

import pytest
from rich.progress import Progress as Bar

from tasks.artifacts.progress import Progress


def test_a_log_gets_as_many_lines_as_asked(capsys: pytest.CaptureFixture[str]):
    with Progress("work", 200, lines=4) as progress:
        for done in range(1, 201):
            progress(done, f"loss {done}")
    error = capsys.readouterr().err.splitlines()
    assert error == [f"work: {n}/200  loss {n}" for n in (50, 100, 150, 200)]


def test_without_lines_a_log_stays_empty(capsys: pytest.CaptureFixture[str]):
    with Progress("work", 1.0) as progress:
        progress(0.5, "half")
        progress(1.0)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_end_and_not_every_call(monkeypatch: pytest.MonkeyPatch):
    drawn = []

    def refresh(self: Bar) -> None:
        drawn.append((self.tasks[0].completed, self.tasks[0].fields["words"]))

    monkeypatch.setattr(Bar, "refresh", refresh)
    progress = Progress("work", 1000)
    progress.live = True
    for done in range(1, 1001):
        progress(done, f"step {done}")
    assert drawn[-1] == (1000, "step 1000")
    assert len(drawn) < 900
