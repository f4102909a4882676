"""Metrics of predictors side by side, each in its unit."""

from pathlib import Path
from typing import Any

from tasks.compare import wanted
from tasks.compare.metrics import metrics
from tests.artifacts.test_measured import TOLD

PARAMS = {
    "study": {
        "datasets": ["dots"], "played": [], "predicted": ["dots"], "learners": ["l"],
        "policies": ["l"], "variants": ["float32"], "metrics": ["m", "n"],
    }
}  # fmt: skip


class Told:
    """A revision, as far as metrics are read."""

    def __init__(self, **values: float) -> None:
        self.metrics: Any = {
            ("dots", "l", "float32", name): {
                **TOLD, "metric": name, "value": {"mean": value, "low": 0, "high": 9},
            }
            for name, value in values.items()
        }  # fmt: skip


def test_no_world_and_a_folder_a_metric_are_wanted():
    outs = [out.out for out in wanted(PARAMS)]
    assert "data/datasets/dots-v0" not in outs
    assert "data/evaluations/dots/l/float32" not in outs
    assert outs[-2:] == [f"data/evaluations/dots/l/float32/{m}" for m in ("m", "n")]
    stages = {out.stage for out in wanted(PARAMS)}
    assert "evaluate_predictor@dots-l-float32-n" in stages


def test_a_row_a_metric_and_a_gap_where_there_is_none(tmp_path: Path):
    rows: Any = metrics([Told(m=1.0), Told(m=2.0, n=3.0)])  # type: ignore[list-item]
    assert [row.metric for row in rows] == [
        "m, u, lower is better", "n, u, lower is better",
    ]  # fmt: skip
    assert [v and v["mean"] for v in rows[0].values] == [1.0, 2.0]
    assert [v and v["mean"] for v in rows[1].values] == [None, 3.0]
