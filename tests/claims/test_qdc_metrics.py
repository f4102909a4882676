"""What the claim sees in made-up figures of the nine."""

from typing import Any

import numpy as np
import pytest

from tasks.claims import Outcome
from tests.beds.harness import claim

NINE = [f"{q}_{d}" for q in ("top", "middle", "noisy") for d in ("one", "half", "all")]
NAMES = [f"{name}_{draw}" for draw in range(3) for name in NINE]
QUALITY = np.tile(np.repeat([2.0, 1.0, 0.0], 3), 3)  # of all, in their order
DIVERSITY = np.tile([0.0, 1.0, 2.0], 9)
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
    return claim("qdc_metrics", resamples=200).judged(
        {
            name: {"metrics": metrics(q, d), "id": test(a), "ood": test(b)}
            for name, q, d, a, b in rows
        },
        LOOP,
    )


def test_the_slope_is_that_of_one_letter_with_the_other_held():
    found = look(QUALITY + 0.1 * DIVERSITY, DIVERSITY - 0.1 * QUALITY)
    spread = 1.5**-0.5  # of three equal levels, so a z-score is a level over this
    figure = found.primary.figure
    assert figure.value == pytest.approx(1 / 1.5**0.5, abs=0.02)
    assert figure.low < figure.value < figure.high
    assert figure.low > 0.7 * spread
    assert found.refused == []
    assert found.verdict == "shown"
    rows = {figure.name: figure.value for figure in found.figures}
    assert rows["slope of the ID score on quality, diversity held"] == pytest.approx(
        1 / 1.5**0.5, abs=0.02
    )
    assert rows["quality with ID, 27 datasets"] == pytest.approx(0.95, abs=0.03)
    assert rows["quality with ID, 27 datasets: p"] < 0.01
    assert rows["diversity with ID, 27 datasets: p"] > 0.05
    assert rows["noisy_one_0, ID: distance"] == pytest.approx(5, abs=0.02)
    assert rows["noisy_one_0, ID: within 0.25 m"] == 0
    assert rows["quality with ID, goals reached, 27 datasets"] == 0  # all the same
    assert rows["text: diversity at the start over that at the end"] == 2
    assert rows["text by cells, round 2: kept"] == 8


def test_what_is_not_so_has_no_slope():
    found = look(QUALITY, QUALITY, noise=0.5)
    assert found.primary.figure.low < 0
