"""What the claim sees in made-up figures of the nine, and its bed from end to end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.beds.qdc_metrics import arms
from tasks.claims import Outcome
from tasks.claims.engine.results import Results
from tests.claims.archive_files import claim, design, report, write_archive

NAMES = design().names
QUALITY = np.repeat([2.0, 1.0, 0.0], 3)  # of the nine, in their order
DIVERSITY = np.tile([0.0, 1.0, 2.0], 3)
LOOP = {
    name: {
        "diversity": [[1, 0, end]] * 2,
        "accuracy": [[0.5, 0.6, 0.7]] * 2,
        "kept": [[9, 8]] * 2,
    }
    for name, end in (("quality", -1.0), ("cells", -0.5))
}


def metrics(quality: float, diversity: float) -> dict[str, Any]:
    """A metrics.json of one figure a letter."""

    def figure(value: float) -> dict[str, Any]:
        return {"figure": {"value": value, "sign": 1}}

    return {
        "world": "w",
        "peers": NAMES,
        "seed": 0,
        "bandwidth": 1.0,
        "episodes": 12,
        "steps": 100,
        "quality": figure(quality),
        "diversity": figure(diversity),
        "complexity": figure(0.0),
    }


def look(near: Any, far: Any, noise: float = 0.01) -> Outcome:
    """Judge nine datasets with these scores, ID and OOD."""
    draw = np.random.default_rng(0)

    def test(score: float) -> dict[str, Any]:
        distance = np.abs(5 - score + noise * draw.normal(size=(2, 5)))
        told = {"distance": distance, "still": distance + 1, "return": -distance}
        return {name: values.tolist() for name, values in told.items()}

    rows = zip(NAMES, QUALITY, DIVERSITY, near, far, strict=True)
    return claim().judged(
        {
            name: {"metrics": metrics(q, d), "id": test(a), "ood": test(b)}
            for name, q, d, a, b in rows
        },
        LOOP,
        0.95,
    )


def test_it_is_shown_where_quality_goes_with_id_and_diversity_with_ood():
    found = look(QUALITY + 0.1 * DIVERSITY, DIVERSITY - 0.1 * QUALITY)
    assert found.verdict == "shown"
    less, first, other, second, *text = (check.figure for check in found.checks)
    assert [figure.value for figure in text] == [2, 0.5]
    assert first.value == pytest.approx(0.95, abs=0.03)
    assert second.value == first.value
    assert less.value == pytest.approx(first.value + 0.316, abs=0.01)
    assert other.value == pytest.approx(second.value - 0.316, abs=0.01)
    rows = {figure.name: figure.value for figure in found.figures}
    assert rows["quality with ID, 9 datasets"] == pytest.approx(first.value)
    assert rows["quality with ID, 9 datasets: p"] < 0.01
    assert rows["diversity with ID, 9 datasets: p"] > 0.05
    assert rows["noisy_one, ID: distance"] == pytest.approx(5, abs=0.02)
    assert rows["noisy_one, ID: within 0.25 m"] == 0
    assert rows["noisy_one, ID: distance of doing nothing"] == pytest.approx(
        6, abs=0.02
    )
    assert rows["quality with ID, return, 9 datasets"] == pytest.approx(first.value)
    assert rows["quality with ID, goals reached, 9 datasets"] == 0  # all the same
    assert rows["text by cells, round 2: right lines"] == 70
    assert rows["text by cells, round 2: lines kept"] == 8
    assert rows["top_one: quality"] == pytest.approx(1.5**0.5)


@pytest.mark.parametrize(
    ("near", "far", "missed"),
    [
        (DIVERSITY, QUALITY, [0, 2]),  # the other way round
        (-QUALITY, DIVERSITY, [0, 1]),
        (QUALITY, -DIVERSITY, [2, 3]),
    ],
)
def test_what_is_not_so_is_not_shown(near: Any, far: Any, missed: list[int]):
    found = look(near, far)
    below = [i for i, check in enumerate(found.checks) if check.figure.value < 0]
    assert set(missed) <= set(below)
    assert found.verdict != "shown"


def test_too_much_chance_is_underpowered():
    found = look(QUALITY, DIVERSITY, noise=4.0)
    assert found.verdict == "underpowered"


def test_the_nine_are_measured_learned_from_tested_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    archive = write_archive(tmp_path / "data")
    root = archive.parents[1]
    results = Results({"study": {}, "report": report()}, root)
    small = claim(processes=2)
    monkeypatch.setattr(arms, "KEPT", tmp_path / "kept")
    found = small.outcome(results)
    assert len(found.checks) == 6
    values = {figure.name: figure.value for figure in found.figures}
    assert all(np.isfinite(value) for value in values.values())
    assert {f"{name}, OOD: distance" for name in NAMES} <= set(values)
    assert values["noisy_all: quality"] < values["top_all: quality"]
    assert values["top_one: diversity"] < values["top_all: diversity"]

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(arms, "write_datasets", never)
    monkeypatch.setattr(arms, "cloned", never)
    assert small.outcome(results) == found
    one = next(p for p in (tmp_path / "kept").glob("[!r]*.json"))
    one.unlink()  # as a run that was killed before its last dataset
    monkeypatch.undo()
    monkeypatch.setattr(arms, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(arms, "write_datasets", never)
    assert small.outcome(results) == found
    with pytest.raises(AssertionError):  # other datasets
        claim(noise=0.1).outcome(results)


def test_a_study_that_measures_nothing_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="qdc_metrics"):
        claim().outcome(Results({"study": {}, "report": {}}, tmp_path))
