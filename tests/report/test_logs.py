"""Datasets without a world: estimates, sizes and data on the page, and no score."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.sealed import SEAL, sealed
from tasks.report.__main__ import main
from tests.browser import text
from tests.estimate_files import add_estimates
from tests.study_files import dump

Make = Callable[..., Path]


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["report"])
    variants = ("float32", "gptq4", "distill-int8_static")
    root = make_study(learners=("bc",), variants=variants)
    add_estimates(root, "hopper_mixed", "bc")
    return root


def unplay(root: Path) -> None:
    """Say that the world is not played, and remove what came of playing it."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["study"]["played"] = []
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    for path in (root / "data/evaluations").rglob("*.*"):
        path.unlink()


def test_the_page_has_estimates_and_no_score(root: Path) -> None:
    unplay(root)
    main()
    page = (root / "data/report/index.html").read_text(encoding="utf-8")
    said = text(page)
    assert "hopper_mixed has no world: estimates alone" in said
    assert 'id="summary"' not in page
    assert 'id="pareto"' not in page
    for word in ("normalised", "best behaviour policy, reference", "HELD 1"):
        assert word not in said.partition("Words")[0]
    own = re.search(r'<section id="estimates">(.*?)</section>', page, re.DOTALL)
    assert own
    assert own[1].count('<svg class="strip') + own[1].count('class="strip c') >= 2
    assert "bc wis" in text(own[1])
    files = re.search(r'<section id="files">(.*?)</section>', page, re.DOTALL)
    assert files
    assert "gptq4" in text(files[1])
    for anchor in re.findall(r'<a href="#([\w-]+)"', page):
        assert f'id="{anchor}"' in page


def test_the_table_has_sizes_errors_and_estimates_alone(root: Path) -> None:
    unplay(root)
    main()
    numbers = json.loads((root / "data/report/table.json").read_text())
    learner = numbers["hopper_mixed"]["bc"]
    assert learner["gptq4"].keys() == {"bytes", "ratio", "action_error_data"}
    assert learner["gptq4"]["action_error_data"] == pytest.approx(0.0415)
    assert learner["float32"].keys() == {"bytes", "ratio"}
    assert learner["distill-int8_static"].keys() == {"bytes", "ratio"}
    assert learner["estimates"]["wis"] == {"mean": 987.6, "low": 977.6, "high": 1007.6}
    plots = {path.name for path in (root / "data/report/plots").rglob("*.csv")}
    assert "hopper_mixed-bc-loss.csv" in plots


def test_beside_a_dataset_that_is_played(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["report"])
    root = make_study({"hopper_mixed": "hopper", "plant": "pendulum"}, learners=("bc",))
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["study"]["played"] = ["hopper_mixed"]
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    main()
    numbers = json.loads((root / "data/report/table.json").read_text())
    assert "score" in numbers["hopper_mixed"]["bc"]["float32"]
    assert "score" not in numbers["plant"]["bc"]["float32"]
    page = (root / "data/report/index.html").read_text(encoding="utf-8")
    summary = re.search(r'<section id="summary">(.*?)</section>', page, re.DOTALL)
    assert summary
    assert "plant" not in summary[1]


def test_a_played_dataset_still_needs_its_evaluations(root: Path) -> None:
    unplay(root)
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["study"]["played"] = ["hopper_mixed"]
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    with pytest.raises(RefusedError, match="python -m tasks.evaluate"):
        main()


def test_score_100_of_a_world_of_ones_own_is_nobodys_best_policy(root: Path) -> None:
    main()
    before = text((root / "data/report/index.html").read_text(encoding="utf-8"))
    assert "best behaviour policy reference, ref_max" in before
    path = root / "data/datasets/hopper_mixed-v0/world.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["world"]["_target_"] = "tasks.worlds.gym.Gym"
    dump(path, sealed({k: v for k, v in content.items() if k != SEAL}))
    main()
    after = text((root / "data/report/index.html").read_text(encoding="utf-8"))
    assert "best behaviour policy reference" not in after
    assert "score 100 reference, ref_max" in after
