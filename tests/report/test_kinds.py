"""Figures of another kind than the page shows are refused, by field."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.sealed import SEAL, sealed
from tasks.report.__main__ import main

LEAF = "hopper_mixed/bc/float32"
CARD = "datasets/hopper_mixed-v0/card.json"


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        (CARD, "return.mean", "x"),
        (CARD, "return.histogram.counts", [1] * 39 + [{}]),
        (CARD, "return.histogram.edges", [1]),
        (CARD, "observation.std", None),
        (CARD, "action.max", [1.0]),
        (CARD, "sha256", 3),
        (f"profiles/{LEAF}/latency.json", "batches.1.p50_us", "x"),
        (f"profiles/{LEAF}/static.json", "bytes", True),
        (f"evaluations/{LEAF}/metrics.json", "score.iqm", None),
        (f"compressed/{LEAF}/compression.json", "layers", {}),
    ],
)
def test_a_figure_of_another_kind_is_refused(
    make_study: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    field: str,
    value: Any,
):
    monkeypatch.setattr(sys, "argv", ["report"])
    path = make_study(learners=("bc",), variants=("float32",)) / "data" / file
    content = read_json(path, "")
    *way, last = field.split(".")
    part = content
    for key in way:
        part = part[key]
    part[last] = value
    path.write_text(json.dumps(sealed(content) if SEAL in content else content))
    with pytest.raises(RefusedError, match=rf"{field}(\[39\])?: found") as caught:
        main()
    assert "\n" not in str(caught.value)
    assert not Path("data/report").exists()
