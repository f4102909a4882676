"""Sweeps on the page: a table of the configurations, and the score over each number."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.sweep import configurations
from tasks.report.__main__ import main
from tasks.report.engine.collect import Study, collect
from tasks.report.engine.judge import rows
from tasks.report.html.sweeps import Sweep, sweeps
from tasks.statistics.rule import VerdictParams
from tests.browser import text

Make = Callable[..., Path]
TRIED = configurations("iql", {"beta": [1, 100], "expectile": [0.5, 0.9]})


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of bc and of four configurations of iql."""
    monkeypatch.setattr(sys, "argv", ["report"])
    made = make_study(learners=("bc", *TRIED), variants=("float32",))
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["study"]["learners"] = ["bc", "iql"]
    params["grid"] = {"bc": {}, "iql": TRIED}
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


def shown(root: Path) -> tuple[Study, list[Sweep]]:
    params = yaml.safe_load((root / "params.yaml").read_text())
    study = collect(params)
    rule = VerdictParams.of(params["evaluate"]["returns"], "evaluate.returns")
    return study, sweeps(study, rows(study, rule))


def test_each_configuration_has_its_numbers_and_its_score(root: Path):
    study, (sweep,) = shown(root)
    assert (sweep.dataset, sweep.learner) == ("hopper_mixed", "iql")
    assert sweep.names == ("beta", "expectile")
    assert {t.policy: t.numbers for t in sweep.tried} == TRIED
    for t in sweep.tried:
        result = study.datasets[0].results[t.policy, "float32"]
        assert t.score == result.metrics["score"]["iqm"]
        assert t.low <= t.score <= t.high
    assert sweep.best.score == max(t.score for t in sweep.tried)
    pictures = dict(sweep.pictures)
    assert set(pictures) == {"beta", "expectile"}
    # two lines, of two configurations each, and a mark a configuration
    assert pictures["beta"].count('class="stroke"') == 2
    assert pictures["beta"].count("tabindex") == 4


def test_the_page_shows_them(root: Path):
    main()
    page = (root / "data/report/index.html").read_text(encoding="utf-8")
    read = text(page)
    assert "Score against beta" in read
    assert "iql-beta100-expectile0p9" in read
    assert "The best of many looks better than it is" in read


def test_a_study_without_a_sweep_has_no_such_section(make_study: Make):
    root = make_study(learners=("bc",), variants=("float32",))
    assert shown(root)[1] == []


def test_what_trains_a_missing_configuration_is_named(root: Path):
    policy = next(iter(TRIED))
    (root / "data/policies/hopper_mixed" / policy / "curves.csv").unlink()
    with pytest.raises(RefusedError, match="--dataset hopper_mixed --learner iql$"):
        main()
