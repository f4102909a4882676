"""What Prefect's pages say of a report."""

import json
from pathlib import Path

import pytest

from flows.server.display import headline

SHIP = {"ship": "iql / w8", "ship_score": 43.48, "ship_bytes": 9309.0}


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (
            SHIP | {"ship_low": 42.56, "ship_high": 44.4},
            "Ship iql / w8: score 43.5 [42.6, 44.4], 9,309 bytes",
        ),
        (SHIP, "Ship iql / w8: score 43.5, 9,309 bytes"),
        (
            {"ship": "nothing", "best": "bc", "best_score": 85.74},
            "No compressed variant held; bc scores 85.7",
        ),
        ({}, ""),
        (SHIP | {"ship_score": "much"}, ""),
        ([1], ""),
    ],
)
def test_the_headline_is_the_file_to_ship(tmp_path: Path, known: object, words: str):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(known))
    assert headline(path) == words


def test_without_metrics_there_is_no_headline(tmp_path: Path):
    assert headline(tmp_path / "metrics.json") == ""
