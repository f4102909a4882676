"""Sweeps on the page: a table of the configurations, and the score over each number."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
        assert np.mean(t.seeds) == pytest.approx(t.score)
    assert sweep.best.score == max(t.score for t in sweep.tried)
    pictures = {picture.name: picture for picture in sweep.pictures}
    assert set(pictures) == {"beta", "expectile"}
    # two lines, of two configurations each, a mark a configuration and a dot a seed
    beta = pictures["beta"]
    assert beta.drawn.count('class="stroke"') == 2
    assert beta.drawn.count("tabindex") == 4
    assert beta.drawn.count('r="2.6"') == 4 * 3
    assert [name for _, name in beta.legend] == ["expectile 0.5", "expectile 0.9"]
    # two decades of beta lie on a log axis, whose ticks are powers of ten
    assert re.findall(r'class="tick mid">([^<]+)<', beta.drawn)[1] == "3"
    assert re.findall(r'class="tick mid">([^<]+)<', pictures["expectile"].drawn)[1:]


def test_two_numbers_are_a_map(root: Path):
    _, (sweep,) = shown(root)
    heat = sweep.heat
    assert heat
    assert (heat.down, heat.across, heat.values) == ("beta", "expectile", (0.5, 0.9))
    assert [value for value, _ in heat.rows] == [1, 100]
    cells = {t.policy: percent for _, row in heat.rows for t, percent in row}
    assert set(cells) == set(TRIED)
    assert cells[sweep.best.policy] == max(cells.values())


def test_one_number_is_a_picture_alone(root: Path):
    params = yaml.safe_load((root / "params.yaml").read_text())
    few = [name for name, numbers in TRIED.items() if numbers["beta"] == 1]
    params["study"]["policies"] = ["bc", *few]
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    _, (sweep,) = shown(root)
    assert [(p.name, p.legend) for p in sweep.pictures] == [("expectile", ())]
    assert sweep.heat is None


def test_the_page_shows_them(root: Path):
    main()
    page = (root / "data/report/index.html").read_text(encoding="utf-8")
    read = text(page)
    assert "Score against beta" in read
    assert "iql-beta100-expectile0p9" in read
    assert "The best of many looks better than it is" in read
    assert "down, expectile across" in read


def test_a_study_without_a_sweep_has_no_such_section(make_study: Make):
    root = make_study(learners=("bc",), variants=("float32",))
    assert shown(root)[1] == []


def test_what_trains_a_missing_configuration_is_named(root: Path):
    policy = next(iter(TRIED))
    (root / "data/policies/hopper_mixed" / policy / "curves.csv").unlink()
    with pytest.raises(RefusedError, match="--dataset hopper_mixed --learner iql$"):
        main()
