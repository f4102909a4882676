"""The bed of stream_x, small: its arms, and what is measured of them."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.beds.stream_x import ARMS, fifths
from tasks.train.engine.loop import settle
from tests.beds.harness import bed, run

SMALL = {"seeds": [0, 1], "steps": 200, "batch": 8}


def test_arms_differ_in_what_they_say_and_in_nothing_else():
    made = bed("stream_x", **SMALL)
    full = made.params.block("stream_x")
    assert (full["algorithm"], full["step"], full["clock"]) == ("q", "bounded", 500)
    differ = {
        arm: {key for key in full if made.params.block(arm)[key] != full[key]}
        for arm in ("fixed", "plain", "traced", "again")
    }
    assert differ["fixed"] == {"step", "rate"}
    scaled = {"layer_norm", "sparsity", "normalise", "scale_rewards"}
    assert differ["traced"] == {"step", "rate"} | scaled
    assert differ["plain"] == differ["again"] == {"step", "rate", "trace"} | scaled
    assert [job.name for job in made.jobs()] == list(ARMS)


def test_a_change_of_one_arm_repeats_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settle()
    small = SMALL | {"replaying": bed("stream_x").params.replaying | {"warm_up": 50}}
    first = run("stream_x", tmp_path, monkeypatch, **small)
    courses = {job.name: np.array(job.result["course"]) for job in first.jobs}
    assert {course.shape for course in courses.values()} == {(2, 5)}
    assert all((course > 5).all() for course in courses.values())
    assert (courses["plain"] != courses["again"]).any()
    ignored = {job.name: set(job.ignores) for job in bed("stream_x").jobs()}
    assert "plain" not in ignored["plain"] | ignored["again"]
    assert {"replaying", "fixed", "batch"} <= ignored["plain"] & ignored["again"]
    assert {"plain", "fixed", "replaying"} <= ignored["stream_x"]
    assert {"streaming", "plain", "fixed"} <= ignored["replay"]


def test_fifths_are_means_of_a_curves_parts():
    points = np.arange(20.0).reshape(2, 10)
    assert fifths(points)[1].tolist() == [10.5, 12.5, 14.5, 16.5, 18.5]


def test_other_worlds_and_learners_are_refused():
    other = bed("stream_x").params.replaying
    with pytest.raises(RefusedError, match="streaming._target_.*class StreamX"):
        bed("stream_x", streaming=other)
    with pytest.raises(
        RefusedError, match="bed.stream_x.plain.rat: .*did you mean rate"
    ):
        bed("stream_x", plain={"rat": 1e-3})
