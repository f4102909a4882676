"""The bed of the dynamical bandit, small: its jobs, and what each changes."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.beds.dynamical_linear_bandits import memoryless, world
from tests.beds.harness import bed, block, run

NAME = "dynamical_linear_bandits"


def test_every_job_has_a_regret_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    left = run(NAME, tmp_path, monkeypatch, seeds=[0, 1], steps=400, processes=1)
    by_name = {job.name: job.result for job in left.jobs}
    assert list(by_name) == [
        "no hidden state, linucb",
        "synthetic, dynlin_ucb",
        "synthetic, linucb",
        "rho x 0.5, dynlin_ucb",
        "rho x 1.3, dynlin_ucb",
        "ridge 1, dynlin_ucb",
    ]
    for result in by_name.values():
        assert len(result["regret"]) == len(result["half"]) == 2
        assert (np.array(result["half"]) <= result["regret"]).all()
    assert len({result["regret"][0] for result in by_name.values()}) == 6


def test_without_a_hidden_state_arms_are_worth_the_same_at_once():
    made = bed(NAME)
    block = made.params.systems["real"]["world"]
    system, twin = made.system("real"), world(memoryless(block, made.system("real")))
    np.testing.assert_allclose(twin.system.values, system.values)
    assert (twin.system.rho, twin.system.phi) == (0, 1)
    held = twin.stream([0]).hold(np.array([1]), 500)[0]
    assert held.mean() == pytest.approx(system.values[1], abs=0.003)
    assert held.std() == pytest.approx(0.01 * np.sqrt(3), rel=0.1)


def test_another_learner_is_refused():
    methods = block(NAME)["methods"]
    with pytest.raises(RefusedError, match="methods.linucb: found nothing"):
        bed(NAME).check_params(
            bed(NAME, methods={"dynlin_ucb": methods["dynlin_ucb"]}).params, "bed.x"
        )
