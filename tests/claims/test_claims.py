"""The room's rules; what a claim sees in results is tested beside it or its bed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.formats import Bed
from tasks.claims import Check, Figure, Outcome
from tasks.claims.__main__ import main
from tasks.claims.engine.pages import page, pages, table
from tasks.claims.engine.results import Results, exact, ranks_agree, worst
from tasks.code import methods
from tests.claims.results_files import write_scores
from tests.study_files import replace_table

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


def test_the_table_has_a_row_a_claim():
    other = claim(claim="ofql", verdict="not shown", figures=[])
    other["checks"] = [*other["checks"], {**other["checks"][0], "verdict": "not shown"}]
    rows = [line for line in table([claim(), other]).splitlines() if line[:3] == "| ["]
    assert rows == [
        "| [riql](claims/riql.md) | It holds. | **shown** | 1 of 1 |",
        "| [ofql](claims/ofql.md) | It holds. | **not shown** | 1 of 2 |",
    ]


def test_a_page_has_checks_figures_and_what_was_looked_at_afterwards():
    text = page(claim(), "the world is too small.\n")
    assert text.startswith(
        "# riql\n\nIt holds.\n\n**Shown.** Study `riql`, seeds 0, 1, "
    )
    assert "*The paper*: Table 1: 5\n" in text
    assert "| b over a \\| c > 0 | 1.5 | 1 to 2 | score | shown |\n" in text
    assert text.count("| b over a \\| c | 1.5 | 1 to 2 | score |") == 1, "its figure"
    assert "*Looked at afterwards*: the world is too small.\n" in text
    assert "What else was measured" not in page(claim(figures=[]))


def test_the_committed_pages_are_those_of_the_committed_claims():
    committed = {ROOT / "docs/claims.md", *(ROOT / "docs/claims").iterdir()}
    assert {ROOT / path for path in pages(ROOT)} == committed
    for path, text in pages(ROOT).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_has_a_study_of_its_name_and_a_bed_if_it_reads_one(name: str):
    params = yaml.safe_load(composed([f"study={name}"]))
    assert name in params["claim"]
    claim, beds = params["claim"][name], params["bed"]
    assert claim["statement"].endswith(".")
    assert (claim["bed"] == f"data/beds/{name}") == (name in beds)
    assert name in beds or (ROOT / claim["bed"]).exists()


def test_each_bed_has_a_claim_and_a_block_of_its_name():
    blocks = {path.stem for path in (ROOT / "params/beds").glob("*.yaml")}
    assert blocks == set(methods("beds"))
    assert blocks <= set(CLAIMS) == set(methods("claims"))


def test_a_claim_waits_for_its_code_its_study_and_its_bed():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    claim, bed = (graph["stages"][name]["do"] for name in ("claim", "bed"))
    assert {"${item.bed}", "data/code/claims/${key}.json"} < set(claim["deps"])
    assert "data/report/metrics.json" in claim["deps"]
    assert "data/code/beds/${key}.json" in bed["deps"]
    assert bed["outs"] == ["data/beds/${key}"]


def test_a_bed_that_did_not_run_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="python -m tasks.beds --bed quest"):
        Results({}, tmp_path).bed("quest", Bed)


def test_results_that_do_not_go_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    results = write_scores(tmp_path / "data", {("d", "ofql"): 50, ("d", "dql"): 50})
    block = yaml.safe_load((ROOT / "params/claims/ofql.yaml").read_text("utf-8"))
    params = {**results.params, "claim": {"ofql": block}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tasks.claims", "--claim", "ofql"])
    place = tmp_path / "data/evaluations/d"
    fewer = Episodes.read(place / "ofql/float32/episodes.parquet")
    keep = fewer.episode < 10
    shutil.copytree(place / "ofql/float32", place / "dql/float32-ddim-1")
    table = Episodes(**{name: column[keep] for name, column in vars(fewer).items()})
    replace_table(place / "dql/float32-ddim-1", table)
    with pytest.raises(RefusedError, match="claim ofql: results: found ValueError"):
        main()
    assert not (tmp_path / "data/claims").exists()


def test_the_command_writes_the_file_and_says_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    scores = {("d", "ofql"): 50, ("d", "dql"): 50, ("d", "ddim"): 10}
    results = write_scores(tmp_path / "data", scores)
    place = tmp_path / "data/evaluations/d"
    (place / "ddim/float32").rename(place / "dql/float32-ddim-1")
    block = yaml.safe_load((ROOT / "params/claims/ofql.yaml").read_text("utf-8"))
    results.params["study"]["learners"] = ["dql", "ofql"]
    params = {**results.params, "claim": {"ofql": block}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tasks.claims", "--claim", "ofql"])
    main()
    content = json.loads((tmp_path / "data/claims/ofql.json").read_text())
    assert content["verdict"] == "shown"
    assert content["statement"] == block["statement"]
    assert len(content["checks"]) == 3
    assert "claim ofql: shown\n  shown: ofql over dql" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["tasks.claims", "--pages"])
    main()
    assert "| [ofql](claims/ofql.md) |" in (tmp_path / "docs/claims.md").read_text()
    assert (tmp_path / "docs/claims/ofql.md").exists()
