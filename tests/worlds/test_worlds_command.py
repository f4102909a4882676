"""The command that measures reference returns."""

import json
import sys

import pytest

from tasks.artifacts.stage import run_stage
from tasks.worlds.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["worlds", *arguments, "--episodes", "2"])
    return run_stage(main)


def test_it_measures_and_repeats(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "--world", "pendulum") == 0
    first = capsys.readouterr().out
    figures = json.loads(first)
    assert (figures["policy"], figures["episodes"]) == ("random", 2)
    assert figures["length_mean"] == 200
    assert -2000 < figures["return"]["mean"] < -500
    assert run(monkeypatch, "--world", "pendulum") == 0
    assert capsys.readouterr().out == first


def test_unknown_world_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "--world", "hoper") == 1
    assert "did you mean hopper?" in capsys.readouterr().err
