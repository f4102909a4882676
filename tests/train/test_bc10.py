"""10%-BC: which episodes it takes, and that these make it better than BC."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.train.bc10 import discounted
from tasks.train.engine.table import pack

from . import harness
from .point import point_return


def episodes(*rewards: list[float]) -> object:
    """Data whose episodes have these rewards."""
    flat = np.concatenate([np.array(r, np.float32) for r in rewards])
    number = np.repeat(np.arange(len(rewards)), [len(r) for r in rewards])
    n = len(flat)
    data = harness.transitions(n)
    data.reward, data.episode = flat, number.astype(np.int64)
    return data


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equation(k: int):
    learner = harness.make("bc10")
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    pi = torch.tanh(ref.net("actor", ref.o))
    loss = ((pi - ref.a) ** 2).sum(1).mean()
    ref.step(("actor",), loss, 3e-4)
    ref.check()


def test_returns_are_discounted_from_each_episodes_start():
    data = episodes([1, 2], [4], [0, 0, 8])
    assert discounted(data, 0.5).tolist() == [2.0, 4.0, 2.0]
    assert discounted(data, 1.0).tolist() == [3.0, 4.0, 8.0]
    assert discounted(data, 0.0).tolist() == [1.0, 4.0, 0.0]


def test_takes_the_best_by_discounted_return():
    data = episodes([1, 2], [4], [0, 0, 8], [3, 0], [1])
    # discounted by 0.5: 2, 4, 2, 3, 1; undiscounted the third would be the best
    for fraction, rows in ((0.1, [2]), (0.4, [2, 6, 7]), (0.6, [0, 1, 2, 6, 7])):
        learner = harness.make("bc10", data=data, fraction=fraction, discount=0.5)
        assert learner.rows(data).tolist() == rows
        assert torch.equal(
            pack(learner, data), pack(harness.make("bc", data=data), data)[rows]
        )


def test_equal_returns_take_all_rows_with_a_warning():
    data = episodes([1, 2], [1, 2], [1, 2])
    learner = harness.make("bc10", data=data)
    with pytest.warns(UserWarning, match="tiny-v0: all 3 episodes have the same"):
        assert learner.rows(data) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(learner.rows(episodes([1, 2], [1, 2.001]))) == 2


def test_beats_bc():  # which stays below -0.6, see test_iql.py
    assert point_return("bc10", 200, actor_rate=3e-3, fraction=0.02) > -0.2


def test_same_as_every_learner(tmp_path: Path):
    harness.check_engine("bc10", tmp_path)
    harness.check_exports("bc10")
    harness.check_refusals("bc10", "fraction", 0.0)
    harness.check_refusals("bc10", "fraction", 1.0)
    harness.check_refusals("bc10", "discount", 1.01)
