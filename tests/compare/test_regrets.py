"""A comparison says what a table's regret became."""

import json
from pathlib import Path

from tasks.compare import Source
from tasks.compare.page import compare
from tests.browser import text
from tests.compare.conftest import DATASET, Make
from tests.report.test_regrets import block
from tests.study_files import dump_sealed


def regretted(source: Source, values: list[float]) -> Source:
    """The same revision, bc a table."""
    leaf = Path(f"data/evaluations/{DATASET}/bc/float32/metrics.json")
    path = source.folder / leaf
    content = json.loads(path.read_text()) | {"regret": block(values)}
    dump_sealed(path, content)
    return source


def test_both_regrets_stand_below_the_difference(make: Make):
    sources = [regretted(make("main"), [0.3] * 3), regretted(make("other"), [0.1] * 3)]
    said = text(compare(sources).page)
    assert "regret 0.1, 0.3 in main; smaller is better" in said
    assert said.count("regret ") == 1
    alone = text(compare([sources[0], make("third")]).page)
    assert "regret —, 0.3 in main; smaller is better" in alone
