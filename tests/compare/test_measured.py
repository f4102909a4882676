"""What a comparison shows of quality, diversity and complexity."""

import json
from pathlib import Path

from tasks.compare import Source
from tasks.compare.page import compare
from tests.browser import text
from tests.compare.conftest import write_revision
from tests.measured_files import figure, put
from tests.study_files import dump_sealed


def test_a_comparison_shows_both_revisions(tmp_path: Path):
    sources = []
    for name in ("main", "other"):
        write_revision(tmp_path / name)
        put(tmp_path / name, ["hopper_mixed"])
        sources.append(Source(name, "branch", "a" * 40, "m", tmp_path / name))
    path = tmp_path / "other/data/qdc/hopper_mixed/metrics.json"
    found = json.loads(path.read_text())
    found["diversity"]["vendi"] = figure(2.0)
    dump_sealed(path, found)
    said = text(compare(sources).page)
    assert "diversity, vendi 5.25 [4.25, 6.25] 2 [1, 3]" in said
    path.unlink()
    again = compare(sources)
    assert any("measure@hopper_mixed" in line for line in again.missing)
    assert "quality, dynamics unavailable" in text(again.page)
