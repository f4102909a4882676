"""Batches that are mixed with a dataset's rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.learn.engine.mixed import rows_of
from tasks.learn.engine.sources import Replayed
from tasks.worlds import World
from tests.learn.online import run, sac
from tests.train import harness
from tests.worlds.harness import load


def data(world: World, n: int = 40, **replace: Any) -> Any:
    """Random rows of a continuous world; observation i is full of 100 + i."""
    g = np.random.default_rng(2)
    low, high = world.action_space.low, world.action_space.high
    width = world.observation_space.shape[0]
    o = np.repeat(100 + np.arange(n, dtype=np.float32)[:, None], width, axis=1)
    fields: dict[str, Any] = {
        "observation": o,
        "next_observation": o + 0.5,
        "action": g.uniform(low, high, (n, len(low))).astype(np.float32),
        "action_low": low,
        "action_high": high,
        "observation_mean": np.zeros(width, np.float32),
        "observation_std": np.ones(width, np.float32),
    }
    return harness.transitions(n, **(fields | replace))


def pendulum() -> World:
    return load("pendulum", max_steps=30)


def test_a_share_of_each_batch_is_the_datasets(tmp_path: Path):
    world, batches = pendulum(), list[Any]()
    learner = sac(world, (3, 1), 60, data_share=0.25, warm_up=40)
    real = learner.update

    def update(batch: Any, step: int) -> Any:
        batches.append(batch)
        return real(batch, step)

    learner.update = update
    rows = data(world)
    run(learner, world, tmp_path, data=rows)
    assert len(batches) == 10
    for batch in batches:
        first = batch.observation[..., 0] >= 100
        assert first.sum(1).tolist() == [2, 2]  # of 8
        number = (batch.observation[first] - 100)[:, 0].long()
        action = torch.from_numpy(rows.action)[number] / 2
        torch.testing.assert_close(batch.action[first], action)
        torch.testing.assert_close(
            batch.next_observation[first], batch.observation[first] + 0.5
        )
        for name in ("reward", "terminated"):
            own = torch.from_numpy(getattr(rows, name))[number]
            assert torch.equal(getattr(batch, name)[first], own)
    drawn = torch.stack([b.observation[:, :2, 0] for b in batches])
    assert not torch.equal(drawn[:, 0], drawn[:, 1])  # each seed its own
    assert len(drawn.unique()) > 10


def test_a_seeds_rows_are_its_own(tmp_path: Path):
    world = pendulum()
    both, alone = (sac(world, s, 60, data_share=0.5) for s in ((5, 3), (3,)))
    for i, learner in enumerate((both, alone)):
        run(learner, world, tmp_path / str(i), data=data(world))
    pairs = zip(both.policy().parameters(), alone.policy().parameters(), strict=True)
    for stacked, own in pairs:
        torch.testing.assert_close(stacked[1:], own, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation": np.zeros((40, 2), np.float32)}, "observation"),
        ({"action_high": np.ones(1, np.float32)}, r"action_high: found \[1.0\]"),
        ({"discrete": True}, "discrete: found True, expected False, as of the world"),
        ({"legal": np.ones((40, 1), np.float32)}, "legal: found True"),
    ],
)
def test_data_of_another_world_are_refused(change: Any, message: str, tmp_path: Path):
    world = pendulum()
    width = change.get("observation", np.zeros((1, 3))).shape[1]
    if width != 3:
        names = ("observation_mean", "observation_std")
        change |= dict.fromkeys(names, np.ones(width, np.float32))
        change |= {"next_observation": change["observation"]}
    learner = sac(world, (3,), 60, data_share=0.5)
    with pytest.raises(RefusedError, match=message):
        run(learner, world, tmp_path, data=data(world, **change))
    assert not (tmp_path / "replay").exists()


def test_a_share_leaves_rows_of_either_kind():
    assert rows_of(0.5, 9, "sac") == 4
    assert rows_of(0.0, 1, "sac") == 0
    for share, batch in ((0.01, 8), (0.5, 1), (0.99, 8)):
        with pytest.raises(RefusedError, match="a row of either kind in each batch"):
            rows_of(share, batch, "sac")


def test_no_dataset_and_all_of_it_are_refused(tmp_path: Path):
    learner = sac(pendulum(), (3,), 60, data_share=0.5)
    with pytest.raises(ValueError, match="no dataset"):
        Replayed(learner, tmp_path / "replay", 60, 1, 8)
    with pytest.raises(RefusedError, match="a learner of stage train learns"):
        sac(pendulum(), (3,), 60, data_share=1.0)
