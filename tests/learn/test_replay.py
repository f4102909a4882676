"""The replay buffer: a ring that a killed run can go on with."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.learn.engine import replay as module
from tasks.learn.engine.replay import Replay


def filled(place: Path, steps: int, capacity: int = 3, spare: int = 2) -> Replay:
    """Two seeds, two worlds each; step t of world n holds 10 t + n."""
    ring = Replay(place / "replay", 2, capacity, spare, [1, 1])
    for t in range(steps):
        x = np.array([[[10 * t + n] for n in (0, 1)]] * 2, float)
        x[1] += 1000
        ring.add(x, -x)
    return ring


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_the_newest_rows_are_drawn(steps: int, tmp_path: Path):
    ring = filled(tmp_path, steps)
    share = np.array([np.linspace(0, 1, 50, endpoint=False)] * 2)
    a, b = ring.sample(share)
    every = [10 * t + n for t in range(steps) for n in (0, 1)]
    assert a[0, :, 0].unique().tolist() == every[-3:]
    assert torch.equal(a[1], a[0] + 1000)
    assert torch.equal(b, -a)
    assert ring.size == min(3, 2 * steps)


def test_what_was_replaced_is_there_after_a_kill(tmp_path: Path):
    ring = filled(tmp_path, 4)
    share = np.array([[0.0, 0.4, 0.9]] * 2)
    before = ring.sample(share)
    filled(tmp_path, 0)  # opened again
    later = np.full((2, 2, 1), 7.0)
    ring.add(later, later)  # written, and then the run was killed
    again = filled(tmp_path, 0)
    again.count = 8
    for x, y in zip(before, again.sample(share), strict=True):
        assert torch.equal(x, y)


def test_a_full_disk_is_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SPARE", 1.0)
    with pytest.raises(RefusedError, match=r"replay.*GiB.*lower replay"):
        filled(tmp_path, 0)
    assert not (tmp_path / "replay").exists()


def test_more_than_memory_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    filled(tmp_path, 0)
    (tmp_path / "replay").unlink()
    monkeypatch.setattr(module, "memory", lambda: 79)  # of 2 seeds, 5 rows of 2 floats
    with pytest.raises(RefusedError, match=r"replay: found .* what the memory has"):
        filled(tmp_path, 0)
    monkeypatch.setattr(module, "memory", lambda: 80)
    filled(tmp_path, 0)
