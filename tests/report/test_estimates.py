"""Estimates on the page: in a table of their own, never beside returns."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.report.__main__ import main
from tests.browser import text
from tests.estimate_files import add_estimates
from tests.study_files import dump_sealed

Make = Callable[..., Path]


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["report"])
    return make_study(learners=("bc",), variants=("float32", "gptq4"))


def test_they_stand_in_their_own_table(root: Path) -> None:
    main()
    without = (root / "data/report/index.html").read_text(encoding="utf-8")
    numbers = (root / "data/report/table.json").read_bytes()
    assert 'id="estimates"' not in without
    add_estimates(root, "hopper_mixed", "bc")
    main()
    drawn = (root / "data/report/index.html").read_text(encoding="utf-8")
    own = re.search(r'<section id="estimates">(.*?)</section>', drawn, re.DOTALL)
    assert own
    said = text(own[1])
    assert "No world was played" in said
    assert "bc fqe 4 321.5" in said
    assert "bc wis 987.6 [977.6, 1 007.6] 0.99 1" in said
    assert "1.5, 2.5, 3.5" in said  # episodes left
    assert "the logged episodes measured 55.5 0.99 66.6" in said
    rest = drawn.replace(own[0], "").replace('<a href="#estimates">Estimates</a>', "")
    assert "987.6" not in rest
    summary = r'<div class="answer.*?<nav|<section id="summary">.*?</section>'
    assert re.findall(summary, rest, re.DOTALL) == re.findall(
        summary, without, re.DOTALL
    )
    assert (root / "data/report/table.json").read_bytes() == numbers


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "return"}, "kind: found return, expected estimate"),
        ({"method": "wis"}, "method: found wis, expected fqe"),
        ({"dataset_sha256": "0"}, "dataset_sha256: found 0"),
        ({"discounted": {}}, "discounted.mean: found nothing"),
    ],
)
def test_what_does_not_fit_is_refused(
    root: Path, changes: dict[str, object], named: str
) -> None:
    path, _ = add_estimates(root, "hopper_mixed", "bc")
    dump_sealed(path, json.loads(path.read_text()) | changes)
    with pytest.raises(RefusedError, match=named) as error:
        main()
    assert "tasks.estimate --dataset hopper_mixed" in error.value.mend
    path.unlink()
    with pytest.raises(RefusedError, match="make it with"):
        main()
    assert not (root / "data/report").exists()
