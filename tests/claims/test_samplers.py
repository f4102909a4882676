"""What the claims of DEIS and DC-Solver share."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.claims.cores.samplers import Errors, errors
from tests.claims.results_files import write_scores


def test_errors_are_compared_by_their_ratio():
    cells = {("a", 0.0, 5): np.array([8.0, 2.0]), ("b", 0.0, 5): np.array([1.0, 1.0])}
    figure = Errors(cells).pair("a", "b", 0.0, 5)
    assert np.exp(figure.value) == pytest.approx(4)  # geometric mean of 8 and 2
    assert (figure.n, figure.of) == (2, "mixtures")
    told = {figure.name: figure.value for figure in Errors(cells).figures()}
    assert told == pytest.approx({"a, 5 calls": np.log(4), "b, 5 calls": 0})


def test_the_bed_gives_a_number_a_mixture(tmp_path: Path):
    results = write_scores(tmp_path, {("d", "p"): 0.0})
    jobs = [
        {
            "name": f"{table}, mixture {k}",
            "settings": {"table": table, "mixture": k},
            "result": [{"sampler": "a", "guidance": 0.0, "nfe": 5, "mse": k + more}],
        }
        for table, more in (("wide", 0.5), ("narrow", 0.0))
        for k in (1, 2)
    ]
    (tmp_path / "beds/deis").mkdir(parents=True)
    content = {"schema": 1, "bed": "deis", "parameters": {}, "jobs": jobs}
    write_sealed(tmp_path / "beds/deis/results.json", content)
    found = errors(results, "deis", "wide")
    assert set(found.cells) == {("a", 0.0, 5)}
    assert found.cells["a", 0.0, 5].tolist() == [1.5, 2.5]
