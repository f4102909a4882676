"""Training on corrupted data: its mask is for logs, its actions stay as they are."""

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.train.engine.loop import train
from tasks.train.engine.minibatches import Sampler
from tasks.train.engine.table import pack, spaces

from . import harness
from .point import point

MASK = (np.arange(96) % 3 == 0).astype(np.float32)
CORRUPTED = harness.transitions(attacked=MASK)


def test_the_mask_never_touches_what_is_learned():
    weights = []
    for mask in (MASK, 1 - MASK, None):
        data = harness.transitions(attacked=mask)
        learner = harness.make("riql", updates=20, data=data)
        curves = train(learner, data, 20, batch=16)
        weights.append([p.detach().clone() for p in learner.parameters()])
        names = {"spread_clean", "spread_attacked", "caution_clean", "caution_attacked"}
        assert names.isdisjoint(curves.columns) == (mask is None)
    for one, other, third in zip(*weights, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)


def test_the_sampler_draws_the_mask_with_its_row():
    learner = harness.make("riql", data=CORRUPTED)
    batch = Sampler(pack(learner, CORRUPTED), learner, 32)(0)
    assert batch.columns["attacked"].shape == (2, 32, 1)
    table = torch.from_numpy(CORRUPTED.reward)
    for reward, flag in zip(
        batch.reward.flatten(), batch.columns["attacked"].flatten(), strict=True
    ):
        assert flag == MASK[int((table == reward).nonzero()[0])]


def test_corrupted_actions_are_neither_clipped_nor_refused():
    action = CORRUPTED.action.copy()
    action[0] = [9.0, 4.0]  # scaled: 8 and 0
    for attacked in (MASK, None):
        data = harness.transitions(action=action, attacked=attacked)
        learner = harness.make("riql", data=data)
        if attacked is None:
            with pytest.raises(RefusedError, match=r"found 8 scaled"):
                pack(learner, data)
        else:
            assert pack(learner, data)[0, 3:5].tolist() == [8.0, 0.0]


def test_critics_disagree_more_on_steps_they_have_no_like_of():
    data, g = point(), np.random.default_rng(3)
    hit = g.random(len(data.reward)) < 0.1
    action = data.action.copy()
    action[hit] += g.uniform(-6, 6, (hit.sum(), 1)).astype(np.float32)
    data.action, data.attacked = action, hit.astype(np.float32)
    options = {k: [32, 32] for k in ("actor_hidden", "critic_hidden")}
    learner = harness.make("riql", (0,), 300, data, critic_rate=3e-3, **options)
    curves = train(learner, data, 300, batch=64)
    last = dict(zip(curves.columns, curves.rows[-1], strict=True))
    assert last["spread_attacked"] > 1.1 * last["spread_clean"]
    assert last["caution_attacked"] > 1.1 * last["caution_clean"]


def test_spaces_know_of_the_mask():
    assert spaces(CORRUPTED).attacked
    assert not spaces(harness.transitions()).attacked
