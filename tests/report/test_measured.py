"""What the page shows of quality, diversity and complexity."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.report.__main__ import main
from tests.browser import text
from tests.measured_files import put
from tests.study_files import write_study

Make = Callable[..., Path]


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["report"])
    named = {"hopper_mixed": "hopper", "hopper_other": "hopper"}
    return make_study(named, learners=("bc",), variants=("float32", "gptq4"))


def test_the_page_shows_figures_and_composition(root: Path):
    main()
    page = root / "data/report/index.html"
    assert "Composition" not in page.read_text(encoding="utf-8")
    put(root, ["hopper_mixed", "hopper_other"])
    main()
    said = text(page.read_text(encoding="utf-8"))
    assert "quality score 41.5 [40.5, 42.5] 20 ground truth" in said
    assert "quality dynamics unavailable 0" not in said
    assert "dynamics unavailable 20 ground truth the world was not asked" in said
    assert "diversity vendi 5.25 [4.25, 6.25]" in said
    assert "drawn with seed 0, as many of each of hopper_mixed, hopper_other" in said
    assert "Gate passed: quality.valid" in said
    assert "Composition world hopper" in said
    assert "hopper_mixed \u22121.00 +1.00 0.00 yes" in said
    assert "not enough datasets, 2 of 8" in said
    assert "no OOD score" in said


def test_one_dataset_has_figures_and_no_composition(root: Path):
    put(root, ["hopper_mixed"])
    main()
    page = (root / "data/report/index.html").read_text(encoding="utf-8")
    assert "vendi" in page
    assert "Composition" not in page


def test_figures_of_another_dataset_are_refused(root: Path):
    put(root, ["hopper_mixed"], dataset_sha256="0")
    with pytest.raises(RefusedError, match="dataset_sha256: found 0") as caught:
        main()
    assert caught.value.mend.endswith("tasks.measure --dataset hopper_mixed")
    (root / "data/qdc/hopper_mixed/metrics.json").unlink()
    with pytest.raises(RefusedError, match="make it with"):
        main()
    assert not (root / "data/report").exists()


def test_write_study_stays_measured_by_none(tmp_path: Path):
    write_study(tmp_path, {"hopper_mixed": "hopper"}, ("bc",), ("float32",))
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert "measured" not in params["study"]
