"""The file to ship of each dataset, at a path that no study's outcome moves.

| below data/report/ship/ | holds |
|---|---|
| ``ship.json`` | by dataset the file that was chosen, or null where none held |
| ``<dataset>/policy.onnx`` | its bytes |
| ``<dataset>/policy.json`` | its contract |

Which variant that is the answer of the page says; of its training seeds it is the one
with the highest mean return over the episodes that are judged. That return flatters, so
what ``ship.json`` states is the score over all seeds.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.artifacts.files import write_json
from tasks.report.engine.collect import Study
from tasks.report.engine.judge import Row, answer
from tasks.report.engine.result import Files, Result


def seed_of(result: Result) -> int:
    """The training seed with the highest mean return."""
    means = result.episodes.table().mean(axis=1)
    return result.episodes.seeds[int(means.argmax())]


def file_of(result: Files, seed: int) -> str:
    """The ONNX file of a training seed."""
    names = result.dataset, result.learner, result.variant
    return "/".join(("data/onnx", *names, f"seed-{seed}.onnx"))


def write_shipped(folder: Path, study: Study, rows: Sequence[Row]) -> None:
    """Copy the file to ship of each dataset, and say which it is.

    Args:
        folder: An empty folder, to be ``data/report/ship``.
        study: What was collected.
        rows: Its variants, judged.
    """
    said: dict[str, dict[str, Any] | None] = {}
    for data in (*study.datasets, *study.logs):
        choice = answer([row for row in rows if row.data is data])
        said[data.name] = None
        if choice:
            file = Path(file_of(choice.result, seed_of(choice.result)))
            place = folder / data.name
            place.mkdir()
            shutil.copyfile(file, place / "policy.onnx")
            shutil.copyfile(file.with_suffix(".json"), place / "policy.json")
            low, score, high = choice.score
            said[data.name] = {
                "file": file.as_posix(),
                "bytes": file.stat().st_size,
                "score": score,
                "score_low": low,
                "score_high": high,
                "verdict": choice.verdict.word,
            }
    said |= {data.name: None for data in study.predicted}  # nothing acts
    write_json(folder / "ship.json", said)
