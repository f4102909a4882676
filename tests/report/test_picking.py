"""What picking costs, on the page: by estimate, by episodes, and where not told."""

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.artifacts.evaluation import Episodes
from tasks.report.__main__ import main
from tests.browser import text
from tests.estimate_files import add_estimates
from tests.study_files import dump_sealed, replace_table

Make = Callable[..., Path]


@pytest.fixture
def said(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make a study, change it, and read what its page says of picking."""
    monkeypatch.setattr(sys, "argv", ["report"])

    def read(
        change: Callable[[Path], object] = lambda _: None,
        learners: tuple[str, ...] = ("bc", "td3_bc", "iql"),
    ) -> str:
        root = make_study(learners=learners, variants=("float32", "gptq4"))
        change(root)
        main()
        drawn = (root / "data/report/index.html").read_text(encoding="utf-8")
        own = re.search(r'<section id="picking">(.*?)</section>', drawn, re.DOTALL)
        assert bool(own) == ('href="#picking"' in drawn)
        return text(own[1]) if own else ""

    return read


def test_the_curve_stands_between_no_episode_and_the_best(said: Callable[..., str]):
    page = said()
    assert re.search(
        r"Picked by 10 trial episodes, one of these 3 policies .* 6\d", page
    )
    # scores are 41, 62 and 58; the first listed is bc
    assert "without any, 41.0" in page
    assert "no estimate in this study, so the first listed, bc" in page
    assert "the best of them has 62.0" in page
    assert re.search(r"1 53\.7 \[5\d\.\d, 5\d\.\d\] exact", page)  # as good as chance
    assert re.search(r"100 6\d\.\d \[.*?\] ± 0\.\d", page)
    assert "trial episodes expected score of the policy picked" in page  # the axes


def test_without_an_episode_the_highest_estimate_is_picked(said: Callable[..., str]):
    def estimated(root: Path) -> None:
        for learner, mean in (("bc", 5.0), ("td3_bc", 7.0), ("iql", 9.0)):
            path, *_ = add_estimates(root, "hopper_mixed", learner)
            content = json.loads(path.read_text())
            content["discounted"]["mean"] = mean
            dump_sealed(path, content)

    page = said(estimated)
    assert "without any, 58.0" in page
    assert "the highest estimate, by fqe: iql" in page


def test_one_policy_is_no_choice(said: Callable[..., str]):
    assert said(learners=("bc",)) == ""


def test_few_episodes_tell_too_little(said: Callable[..., str]):
    def cut(root: Path) -> None:
        for path in root.rglob("episodes.parquet"):
            table = Episodes.read(path)
            few = {f.name: getattr(table, f.name) for f in dataclasses.fields(table)}
            kept = table.episode < 4
            replace_table(path.parent, Episodes(**{k: v[kept] for k, v in few.items()}))

    assert said(cut) == ""
