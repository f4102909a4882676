"""The bed of the stock: its jobs, and laws that are enumerated and not sampled."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.beds.stock_augmented_dp import law_of
from tasks.claims.stock_augmented_dp import RANDOM
from tasks.nets.layers import Linear
from tasks.nets.stock import StockPolicy
from tasks.worlds.cores.stock import cvar
from tests.beds.harness import bed, block, run
from tests.worlds.harness import load

NAME = "stock_augmented_dp"


def test_every_objective_has_a_law_a_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    method = block(NAME)["methods"]["stock_augmented"]
    small = {"hidden": [4], "quantiles": 2, "edits": 1, "warm_up": 20, "replay": 100}
    changed: dict[str, Any] = {"seeds": [0, 1], "steps": 40, "batch": 4}
    changed |= {"processes": 1, "methods": {"stock_augmented": method | small}}
    left = run(NAME, tmp_path, monkeypatch, **changed)
    by_name = {job.name: job.result for job in left.jobs}
    assert list(by_name) == ["worst", "worst_without_stock", "mean", "again", "exact"]
    np.testing.assert_allclose(by_name["exact"]["worst"], [-6.0] * 2)
    for result in by_name.values():
        assert all(-10 <= worst <= -5.99 for worst in result["worst"])
        assert all(-4.91 <= mean <= -3.99 for mean in result["mean"])


def by_hand() -> StockPolicy:
    """Safe where the stock is high, risky where it is low: quantiles by one unit.

    Safe is worth 0, risky -(stock - 3): the best of the two changes at a stock of 3.
    """
    layer = Linear(1, 3, 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 2, 1] = -10.0  # of the stock, divided by 10
        layer.bias[0, 0, 1] = 3.0
    policy = StockPolicy([layer], "mean", 0.5, 1.0, 10.0, 2)
    with torch.no_grad():
        policy.start.stock.fill_(5.0)
    return policy.requires_grad_(requires_grad=False)


def test_a_law_is_that_of_the_policy():
    """The best policy of the worst half, written down: risky after -4 alone."""
    law = law_of(load("two_step"), by_hand(), 0)
    chances = {-10.0: 0.1, -5.0: 0.4, -2.9: 0.5}
    assert {round(k, 6): v for k, v in law.items()} == pytest.approx(chances)
    assert cvar(law, 0.5) == pytest.approx(-6.0)


def test_random_actions_have_the_worst_half_that_the_claim_says():
    half = {-6.9: 0.25, -5.0: 0.2, -10.0: 0.05, -2.9: 0.25, -1.0: 0.2, -6.0: 0.05}
    assert cvar(half, 0.5) == pytest.approx(RANDOM)


def test_another_learner_is_refused():
    with pytest.raises(RefusedError, match="methods.stock_augmented: found nothing"):
        bed(NAME).check_params(bed(NAME, methods={}).params, "bed.x")
