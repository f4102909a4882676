"""The room's rules; each claim's own look at results is tested beside its method."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.claims import Check, Figure, Outcome
from tasks.claims.engine.page import page, written
from tasks.claims.engine.results import exact, ranks_agree, worst
from tests.claims.results_files import write_scores

ROOT = Path(__file__).parents[2]
CLAIMS = sorted(path.stem for path in (ROOT / "params/claims").glob("*.yaml"))


def figure(low: float, high: float) -> Figure:
    return Figure("gap", (low + high) / 2, low, high, "score")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 2, "shown"),
        (0, 2, "underpowered"),
        (-1, 2, "underpowered"),
        (-2, 0, "not shown"),
        (-2, -1, "not shown"),
        (0, 0, "not shown"),
    ],
)
def test_a_check_is_told_by_its_interval(low: float, high: float, verdict: str):
    assert Check(figure(low, high)).verdict == verdict
    assert Check(figure(low + 5, high + 5), bound=5).verdict == verdict


@pytest.mark.parametrize(
    ("ranges", "verdict"),
    [
        ([(1, 2), (3, 4)], "shown"),
        ([(1, 2), (-1, 4)], "underpowered"),
        ([(1, 2), (-1, 4), (-3, -2)], "not shown"),
    ],
)
def test_a_claim_is_as_good_as_its_worst_check(
    ranges: list[tuple[float, float]], verdict: str
):
    assert Outcome([Check(figure(*ends)) for ends in ranges], []).verdict == verdict


def test_scores_and_gaps_come_from_the_episodes(tmp_path: Path):
    found = write_scores(tmp_path, {("d", "a"): 50, ("d", "b"): 60})
    assert found.seeds == [0, 1, 2]
    a, b = found.score("d", "a"), found.score("d", "b")
    assert a.shape == (3, 20)
    assert a.mean() == pytest.approx(50, abs=0.5)  # half way from 100 to 300
    gap = found.gap(b, a, "b over a")
    assert gap.low < gap.value < gap.high
    assert gap.value == pytest.approx(10, abs=0.5)
    assert Check(gap).verdict == "shown"
    assert Check(gap, bound=20).verdict == "not shown"
    assert found.middle("b", b).value == pytest.approx(60, abs=0.5)


def test_an_arm_that_the_study_does_not_have_is_refused(tmp_path: Path):
    found = write_scores(tmp_path, {("d", "iql"): 60.0})
    with pytest.raises(RefusedError, match="no riql / float32 on d"):
        found.score("d", "riql")


def test_a_number_without_chance_has_no_width():
    least = worst({0: 0.3, 1: -0.1}, "on every seed", "nats")
    assert (least.value, least.low, least.high) == (-0.1, -0.1, -0.1)
    assert Check(least).verdict == "not shown"
    assert Check(exact("calls", 3, ""), bound=2).verdict == "shown"


def test_ranks_agree_whatever_the_scale():
    assert ranks_agree([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1)
    assert ranks_agree([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # scipy.stats.spearmanr([1, 2, 2, 4], [2, 1, 3, 4]).statistic
    assert ranks_agree([1, 2, 2, 4], [2, 1, 3, 4]) == pytest.approx(0.632456, abs=1e-6)


def claim(**more: Any) -> dict[str, Any]:
    gap = {"name": "b over a | c", "value": 1.5, "low": 1.0, "high": 2.0}
    gap |= {"unit": "score"}
    return {
        "claim": "riql",
        "study": "riql",
        "statement": "It holds.",
        "paper": "Table 1: 5",
        "seeds": [0, 1],
        "verdict": "shown",
        "wall_seconds": 300,
        "figures": [gap],
        "checks": [{**gap, "bound": 0.0, "verdict": "shown"}],
        **more,
    }


def test_the_page_has_a_row_and_a_section_a_claim():
    other = claim(claim="ofql", verdict="not shown", figures=[])
    text = page([claim(), other], {"ofql": "the world is too small.\n"})
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert len(rows) == 2
    found = "b over a \\| c: 1.5 score [1, 2]; 1 of 1 checks shown"
    assert rows[0].endswith(f"| {found} | **shown** |")
    assert text.count("| b over a \\| c | 1.5 | 1 to 2 | score |") == 1, "its figure"
    assert "## ofql\n\nNot shown. Study `riql`, seeds 0, 1, 5 minutes." in text
    assert text.endswith("| shown |\n\n*Looked at*: the world is too small.\n")


def test_the_committed_page_is_that_of_the_committed_claims():
    assert (ROOT / "docs/claims.md").read_text(encoding="utf-8") == written(ROOT)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_has_a_study_of_its_name(name: str):
    params = yaml.safe_load(composed([f"study={name}"]))
    assert name in params["claim"]
    block = params["claim"][name]
    assert (ROOT / block["code"]).exists()
    assert block["statement"].endswith(".")


@pytest.mark.parametrize("name", CLAIMS)
def test_a_change_of_what_a_claim_shares_with_others_runs_it_again(name: str):
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    params = yaml.safe_load((ROOT / f"params/claims/{name}.yaml").read_text("utf-8"))
    deps = [
        dep.replace("${key}", name).replace("${item.code}", params["code"])
        for dep in graph["stages"]["claim"]["do"]["deps"]
    ]
    tree = ast.parse((ROOT / f"tasks/claims/{name}.py").read_text(encoding="utf-8"))
    shared = [
        node.module.replace(".", "/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.startswith("tasks.claims._")
    ]
    for path in shared:
        assert any(
            f"{path}.py" == dep or f"{path}/".startswith(f"{dep}/") for dep in deps
        )
