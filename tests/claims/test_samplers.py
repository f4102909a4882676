"""What the claims of DEIS and DC-Solver share."""

from pathlib import Path

import numpy as np
import pytest

from tasks.beds.samplers import mixtures
from tasks.claims.cores.samplers import BedParams, Errors, errors
from tasks.claims.dc_solver import DCSolver
from tasks.claims.deis import Deis
from tests.claims.results_files import write_scores


def params() -> BedParams:
    return BedParams("It holds.", "a table", "tasks/export", (0, 1), 8)


def test_errors_are_compared_by_their_ratio(tmp_path: Path):
    cells = {("a", 0.0, 5): np.array([8.0, 2.0]), ("b", 0.0, 5): np.array([1.0, 1.0])}
    found = Errors(cells, write_scores(tmp_path, {("d", "p"): 0.0}))
    figure = found.check("a", "b", 0.0, 5, factor=3).figure
    assert np.exp(figure.value) == pytest.approx(4)  # geometric mean of 8 and 2
    assert np.exp([figure.low, figure.high]) == pytest.approx([2, 8])
    assert found.check("a", "b", 0.0, 5).verdict == "shown"
    assert found.check("a", "b", 0.0, 5, factor=3).verdict == "underpowered"
    assert found.check("b", "a", 0.0, 5).verdict == "not shown"
    told = {figure.name: figure.value for figure in found.figures()}
    assert told == pytest.approx({"a, 5 calls": 4, "b, 5 calls": 1})


def test_the_bed_gives_a_number_a_mixture(tmp_path: Path):
    results = write_scores(tmp_path, {("d", "p"): 0.0})
    found = errors(params(), results, ["ddim", "unipc"], (0.0,), (5, 10), std=0.3)
    assert set(found.cells) == {(n, 0.0, c) for n in ("ddim", "unipc") for c in (5, 10)}
    assert all(values.shape == (2,) for values in found.cells.values())
    # more calls, less error
    assert (found.cells["ddim", 0.0, 10] < found.cells["ddim", 0.0, 5]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("claim", "checks"), [(Deis, 11), (DCSolver, 7)])
def test_the_claims_look_at_real_samplers(
    tmp_path: Path,
    claim: type[Deis | DCSolver],
    checks: int,
    monkeypatch: pytest.MonkeyPatch,
):
    for name, (method, changes) in list(mixtures.SAMPLERS.items()):
        if method == "dc_solver":  # its search is tested with the method
            hasty = method, {**changes, "iterations": 1}
            monkeypatch.setitem(mixtures.SAMPLERS, name, hasty)
    results = write_scores(tmp_path, {("d", "p"): 0.0})
    alone = BedParams("It holds.", "a table", "tasks/export", (0,), 8)
    outcome = claim(alone).outcome(results)
    assert len(outcome.checks) == checks
    assert len({check.figure.name for check in outcome.checks}) == checks
    assert all(np.isfinite(figure.value) for figure in outcome.figures)
