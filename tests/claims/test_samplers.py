"""What the claims of DEIS and DC-Solver share."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims import dc_solver
from tasks.claims.cores.samplers import Errors, errors
from tasks.claims.engine.results import Results
from tests.beds import harness
from tests.claims.results_files import write_scores


def cells(**logs: list[list[float]]) -> Errors:
    """Logarithms on both halves of the samples, by sampler, with 5 and 6 calls."""
    halves = {
        (n, 0.0, k): np.array(rows) + k for n, rows in logs.items() for k in (5, 6)
    }
    return Errors({cell: rows.mean(1) for cell, rows in halves.items()}, halves)


def test_errors_are_compared_by_the_mean_of_their_logarithms():
    table = cells(a=[[3, 1], [4, 2]], b=[[0, 0], [1, 0]])
    figure = table.ratio("a", "b", 0.0, [5, 6])
    assert figure.value == pytest.approx(2.25)  # of 2 and 2.5
    assert (figure.n, figure.of) == (2, "mixtures")
    assert figure.name == "a over b, mean of 5 to 6 calls"
    assert table.twice("a", "b", 0.0, [5, 6]).value == pytest.approx(1.5)  # of 2 and 1
    told = {figure.name: figure.value for figure in table.figures()}
    wanted = {
        "a, 5 calls": 7.5,
        "a, 6 calls": 8.5,
        "b, 5 calls": 5.25,
        "b, 6 calls": 6.25,
    }
    assert told == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("changed", "verdict", "kind"),
    [
        ({}, "shown", ""),
        ({"dc_solver": -2.0}, "not shown", ""),
        ({"unipc_twice": -0.5, "ddim": -1.0}, "bed refused", "competence"),
        ({"unipc_twice": -1.0, "unipc": -2.0}, "bed refused", "headroom"),
        ({"unipc": 1.0}, "bed refused", "range"),
        ({"half": 1.0}, "bed refused", "noise"),
    ],
)
def test_dc_solvers_verdict_and_each_gate(
    changed: dict[str, float],
    verdict: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
):
    logs = {"ddim": -2.0, "unipc": -2.2, "unipc_twice": -4.0, "dc_solver": -4.0}
    logs = logs | changed
    half = np.array([logs.pop("half", 0.0), 0.0])
    made, draw = harness.bed("dc_solver"), np.random.default_rng(0)
    count = len(made.params.mixtures)
    table = made.TABLES["all"]
    halves = {
        (name, w, n): logs.get(name, -2.2)
        + half * (name == "unipc")
        + 0.1 * draw.normal(size=(count, 2))
        for name in table.samplers
        for w in table.guidances
        for n in table.calls
    }
    whole = {cell: rows.mean(1) for cell, rows in halves.items()}
    monkeypatch.setattr(dc_solver, "errors", lambda *_: Errors(whole, halves))
    outcome = harness.claim("dc_solver").outcome(Results({}))
    assert outcome.verdict == verdict
    assert any(words.startswith(kind) for words in outcome.refused) == bool(kind)


def test_the_bed_gives_a_number_a_mixture(tmp_path: Path):
    results = write_scores(tmp_path, {("d", "p"): 0.0})
    jobs = [
        {
            "name": f"{table}, mixture {k}",
            "settings": {"table": table, "mixture": k},
            "result": [
                {
                    "sampler": "a",
                    "guidance": 0.0,
                    "nfe": 5,
                    "means": [k + 2, k + more],
                    "logs": [k, k + more],
                }
            ],
        }
        for table, more in (("wide", 0.5), ("narrow", 0.0))
        for k in (1, 2)
    ]
    (tmp_path / "beds/deis").mkdir(parents=True)
    content = {"schema": 1, "bed": "deis", "parameters": {}, "jobs": jobs}
    write_sealed(tmp_path / "beds/deis/results.json", content)
    logs, means = (errors(results, "deis", "wide", n) for n in ("logs", "means"))
    cell = ("a", 0.0, 5)
    assert set(logs.whole) == {cell}
    assert logs.whole[cell].tolist() == [1.25, 2.25]
    assert logs.halves[cell].tolist() == [[1, 1.5], [2, 2.5]]
    assert np.exp(means.whole[cell]) == pytest.approx([2.25, 3.25])
    assert np.exp(means.halves[cell]) == pytest.approx(np.array([[3, 1.5], [4, 2.5]]))
    assert means.figures()[0].name == "means: a, 5 calls"
