"""Benchmarks: what `make bench` writes can be read and says what was measured."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks import estimates_page
from benchmarks.__main__ import budgets
from benchmarks.estimates import agreement, covered, spearman
from benchmarks.page import render

HERE = Path(__file__).parents[1] / "benchmarks"


def results() -> dict[str, Any]:
    return json.loads((HERE / "results.json").read_text(encoding="utf-8"))


def test_the_page_is_rendered_from_the_results():
    assert (HERE / "README.md").read_text(encoding="utf-8") == render(results())


def test_budgets_are_judged_from_the_figures():
    found = results()
    assert budgets(found) == found["budgets"]
    assert len(found["budgets"]) == 11
    better = copy.deepcopy(found)
    for row in better["generate"]:
        row["added_share"] = 0.39
    for ratio in better["evaluate"]["ratios"].values():
        ratio["wall"] = 5.0
    for row in better["train"]["rows"]:
        row["share_of_product_rate"] = 0.6
    few, some, many = better["flow"]["trivial"]
    for row, wall in ((few, 4.0), (some, 10.0), (many, 43.0)):  # 0.1 and 0.15 s a stage
        row["flow"]["wall"] = wall
    many["dvc repro"]["wall"] = 6.1 * 43
    better["flow"]["study"]["flow"]["wall"] = 65.0
    better["flow"]["study"]["dvc repro"]["wall"] = 100.0
    better["flow"]["study"]["flow, unchanged"]["wall"] = 10.0
    assert all(row["met"] for row in budgets(better))
    worse = copy.deepcopy(better)
    worse["flow"]["trivial"][-1]["flow"]["wall"] = 43.1
    worse["flow"]["study"]["flow"]["wall"] = 65.1
    assert [row["met"] for row in budgets(worse)[7:]] == [False, True, False, True]
    better["generate"][0]["added_share"] = 0.41
    better["evaluate"]["ratios"]["one_at_a_time_torch / ours_2_threads"]["wall"] = 4.9
    better["train"]["rows"][-2]["share_of_product_rate"] = 0.59  # iql, 2x256, 5 seeds
    better["budgets"] = budgets(better)
    met = [row["met"] for row in better["budgets"]]
    assert met == [False, True, True, True, False, True, False, *[True] * 4]
    page = render(better)
    assert page.count("| not met |") == 3
    assert page.count("| met |") == 8
    assert "41%" in page
    assert "4.9 x" in page


def test_estimates_are_rendered_and_ranked_from_their_figures():
    found = json.loads((HERE / "estimates.json").read_text(encoding="utf-8"))
    page = (HERE / "estimates.md").read_text(encoding="utf-8")
    assert page == estimates_page.render(found)
    assert sorted(found["worlds"]) == ["hopper", "pendulum"]
    for name, world in found["worlds"].items():
        every = world["policies"]
        near = covered(name, every)
        assert 8 <= len(near) < len(every)
        for method in estimates_page.METHODS:
            for key, rows in (("ranks", every), ("ranks_of_data", near)):
                again, stored = agreement(rows, method), world[key][method]
                for of in ("discounted", "return"):
                    assert again[of] == pytest.approx(stored[of], abs=1e-12)


def test_rank_correlation_is_scipys():
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 5, 30).astype(float), draw.normal(size=30)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
