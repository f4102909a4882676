"""The room's rules; what a claim sees in results is tested beside it or its bed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.formats import Bed
from tasks.claims import GATES, Check, ClaimParams, Figure, Gate, Outcome
from tasks.claims.__main__ import main
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.pages import page, pages, plans, row, row_of_plan, table
from tasks.claims.engine.results import Results
from tasks.claims.ofql import OFQLClaim
from tasks.code import methods
from tests.claims.results_files import write_scores
from tests.claims.test_trajectory_weighting import MIXES, PAPER, left

ROOT = Path(__file__).parents[2]
CLAIMS = sorted(path.stem for path in (ROOT / "params/claims").glob("*.yaml"))


def figure(low: float, high: float, n: int = 8) -> Figure:
    return Figure("gap", (low + high) / 2, low, high, "score", "seeds", n, 1.0)


def holding() -> list[Gate]:
    """A gate of each kind, all of which hold."""
    return [
        competence(figure(1, 2)),
        headroom(figure(4, 6)),
        within(figure(1, 2), 0, 90),
        noise(figure(-1, 1), 5),
    ]


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
    assert Check(figure(low, high), 0, 1).verdict == verdict
    assert Check(figure(low + 5, high + 5), 5, 1).verdict == verdict


@pytest.mark.parametrize(
    ("n", "pilot_sd", "verdict"),
    [
        (8, 0, "shown"),
        (7, 0, "underpowered"),
        (5, 0.6, "shown"),  # (2.8 x 0.6 / 1)^2 + 2 is 4.8
        (5, 0.7, "underpowered"),  # 5.8
    ],
)
def test_few_replicates_need_a_pilot(n: int, pilot_sd: float, verdict: str):
    assert Check(figure(3, 4, n), 0, 1, pilot_sd).verdict == verdict


def test_a_number_without_an_interval_is_refused():
    for n, of in ((0, "seeds"), (1, "seeds"), (3, "")):
        with pytest.raises(ValueError, match="gap has no interval"):
            Figure("gap", 1, 1, 1, "score", of, n)
    with pytest.raises(ValueError, match="outside of 2 to 3"):
        Figure("gap", 1, 2, 3, "score", "seeds", 8)
    counted = exact("calls", 3, "", "counted in the graph")
    assert Check(counted, 2, 1).verdict == "shown"
    assert Check(counted, 3, 1).verdict == "not shown"


def test_the_primary_or_the_gates_decide_and_nothing_else():
    primary, bad = Check(figure(1, 2), 0, 1), figure(-9, -8)
    assert Outcome(primary, holding(), [bad, bad]).verdict == "shown"
    worse = Check(bad, 0, 1)
    assert Outcome(worse, holding(), [figure(1, 2)]).verdict == "not shown"


@pytest.mark.parametrize(
    ("gate", "kind"),
    [
        (competence(figure(-1, 9)), "competence"),
        (headroom(figure(0, 2)), "headroom"),
        (headroom(figure(-6, -4)), "headroom"),
        (within(figure(91, 92), 0, 90), "range"),
        (within(figure(-1, 0), 0, 90), "range"),
        (noise(figure(4, 7), 5), "noise"),
        (noise(figure(-7, -4), 5), "noise"),
    ],
)
def test_a_gate_that_fails_refuses_the_bed_and_says_why(gate: Gate, kind: str):
    assert gate.kind == kind
    assert not gate.passed
    outcome = Outcome(Check(figure(1, 2), 0, 1), [*holding(), gate], [])
    assert outcome.verdict == "bed refused"
    (reason,) = outcome.refused
    assert reason.startswith(f"{kind}: gap is ")
    assert gate.rule in reason


def test_headroom_is_three_standard_errors():
    # a deviation of 1 over 8 replicates: three errors are 1.06
    assert headroom(figure(1.0, 1.14)).passed
    assert not headroom(figure(1.0, 1.1)).passed
    assert headroom(exact("gap", 1, "", "a table")).passed


@pytest.mark.parametrize("kind", list(GATES))
def test_a_bed_that_was_not_asked_is_refused(kind: str):
    gates = [gate for gate in holding() if gate.kind != kind]
    outcome = Outcome(Check(figure(1, 2), 0, 1), gates, [])
    assert outcome.verdict == "bed refused"
    assert outcome.refused == [f"{kind}: no gate asks"]


def test_a_replicate_that_is_missing_is_refused():
    plan = {"statement": "It holds.", "paper": "", "bed": "", "primary": "a - b"}
    numbers = {"bound": 1.0, "smallest": 2.0, "n": 9, "pilot_sd": 0.5, "pilot": "9"}
    claim = OFQLClaim(ClaimParams.parse({**plan, **numbers}, "claim"))
    assert claim.check(figure(3, 4, 9)) == Check(figure(3, 4, 9), 1, 2, 0.5)
    with pytest.raises(ValueError, match="8 replicates of 9 planned"):
        claim.check(figure(3, 4, 8))


def test_a_figure_is_of_replicates():
    found = of_replicates("gap", np.array([1.0, 2, 3]), "nats", "networks")
    assert (found.value, found.sd, found.n, found.of) == (2, 1, 3, "networks")
    assert found.high - 2 == pytest.approx(4.302653 / 3**0.5)  # t of 2 degrees
    with pytest.raises(ValueError, match="an interval of 1 values"):
        of_replicates("gap", np.array([1.0]))


def test_scores_come_from_the_episodes(tmp_path: Path):
    found = write_scores(tmp_path, {("d", "a"): 50})
    assert found.seeds == [0, 1, 2]
    assert found.score("d", "a").shape == (3, 20)
    assert found.means("d", "a") == pytest.approx(50, abs=0.5)  # from 100 to 300


def test_an_arm_that_the_study_does_not_have_is_refused(tmp_path: Path):
    found = write_scores(tmp_path, {("d", "iql"): 60.0})
    with pytest.raises(RefusedError, match="no riql / float32 on d"):
        found.score("d", "riql")


def claim(**more: Any) -> dict[str, Any]:
    gap = {"name": "b - a | c", "value": 1.5, "low": 1.0, "high": 2.0}
    gap |= {"unit": "score", "of": "training seeds", "n": 8, "sd": 0.6, "exact": ""}
    return {
        "schema": 2,
        "claim": "riql",
        "study": "riql",
        "statement": "It holds.",
        "paper": "Table 1: 5",
        "seeds": [0, 1],
        "verdict": "shown",
        "refused": [],
        "wall_seconds": 300,
        "figures": [gap],
        "primary": {
            **gap,
            "bound": 0.0,
            "smallest": 1.0,
            "pilot_sd": 0.5,
            "pilot": "seeds 100 and 101",
            "measures": "b minus a.",
            "verdict": "shown",
        },
        "gates": [{**gap, "kind": "noise", "rule": "between -9 and 9", "passed": True}],
        **more,
    }


def test_the_table_has_a_row_a_claim():
    plan = plans(ROOT)["ofql"]
    text = table([row(claim()), row_of_plan("ofql", plan)])
    rows = [line for line in text.splitlines() if line[:3] == "| ["]
    assert rows == [
        "| [riql](claims/riql.md) | It holds. | 1.5 score (> 0) | 1 to 2 "
        "| 8 training seeds | **shown** |",
        f"| [ofql](claims/ofql.md) | {plan.statement} |  |  |  | not run yet |",
    ]


def test_a_page_has_the_primary_the_gates_the_figures_and_the_note():
    text = page(claim(), "the world is too small.\n")
    assert text.startswith(
        "# riql\n\nIt holds.\n\n**Shown.** Study `riql`, seeds 0, 1, "
    )
    assert "*The paper*: Table 1: 5\n" in text
    figures = "| 1.5 | 1 to 2 | score | 8 training seeds |"
    assert f"| b - a \\| c > 0 {figures}\n" in text
    assert f"| b - a \\| c {figures} between -9 and 9 | holds |\n" in text
    assert text.count(f"| b - a \\| c {figures}\n") == 1, "its figure"
    assert "(2.8 x 0.5 / 1)^2 + 2, that is 4 replicates" in text
    assert "(2.8 x 0.6 / 1)^2 + 2, that is 5 replicates" in text
    assert text.endswith("without a verdict\n\nthe world is too small.\n")
    assert "judged by nobody" not in page(claim(figures=[]))
    refused = page(claim(verdict="bed refused", refused=["range: on the floor"]))
    assert "**Bed refused.**" in refused
    assert "- range: on the floor\n" in refused


def test_a_result_of_an_earlier_rule_has_no_verdict(tmp_path: Path):
    shutil.copytree(ROOT / "params/claims", tmp_path / "params/claims")
    (tmp_path / "data/claims").mkdir(parents=True)
    old = {"schema": 1, "claim": "riql", "verdict": "shown", "checks": []}
    (tmp_path / "data/claims/riql.json").write_text(json.dumps(old))
    (tmp_path / "data/claims/deis.json").write_text(json.dumps(claim(claim="deis")))
    texts = {path.as_posix(): text for path, text in pages(tmp_path).items()}
    assert "**Not run yet.** `make claim NAME=riql`" in texts["docs/claims/riql.md"]
    rows = [x for x in texts["docs/claims.md"].splitlines() if x[:3] == "| ["]
    verdicts = {x.split("]")[0][3:]: x.split("|")[-2].strip() for x in rows}
    assert verdicts == dict.fromkeys(CLAIMS, "not run yet") | {"deis": "**shown**"}


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


def test_a_bed_that_did_not_run_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="python -m tasks.beds --bed quest"):
        Results({}, tmp_path).bed("quest", Bed)


def study(root: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """A folder in which the bed of trajectory weighting ran, its claim changed."""
    jobs = {(arm, mix): float(x) for arm, x in PAPER.items() for mix in MIXES}
    left(root / "data", "trajectory_weighting", jobs)
    name = "trajectory_weighting"
    block = yaml.safe_load((ROOT / f"params/claims/{name}.yaml").read_text("utf-8"))
    study = {"name": name, "seeds": [0, 1, 2]}
    bed = {name: {"seeds": list(range(8))}}
    params = {"study": study, "bed": bed, "claim": {name: block | changed}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(root)
    monkeypatch.setattr("sys.argv", ["tasks.claims", "--claim", name])


def test_results_that_do_not_go_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    study(tmp_path, monkeypatch, n=9)
    with pytest.raises(
        RefusedError, match="ValueError: aw - uniform.*8 replicates of 9"
    ):
        main()
    assert not (tmp_path / "data/claims").exists()


def test_the_command_writes_the_file_and_says_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    study(tmp_path, monkeypatch)
    main()
    path = tmp_path / "data/claims/trajectory_weighting.json"
    content = json.loads(path.read_text())
    assert content["schema"] == 2
    assert content["primary"]["verdict"] == content["verdict"] == "shown"
    assert content["primary"]["n"] == len(content["seeds"]) == 8  # the bed's
    said = capsys.readouterr().out
    assert said.startswith("claim trajectory_weighting: shown\n  aw - uniform, mean")
    monkeypatch.setattr("sys.argv", ["tasks.claims", "--pages"])
    main()
    assert (
        "(claims/trajectory_weighting.md)" in (tmp_path / "docs/claims.md").read_text()
    )
