"""Arrays in files: the same numbers, bounded memory, nothing left behind."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts import mapped
from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.mapped import blank, release
from tasks.artifacts.rows import load_transitions
from tasks.train.engine.table import pack
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401
from tests.train import harness

# 300 000 transitions in the memory that 2 million may take 1 GB of
EPISODES, STEPS, MOST_MB = 300, 1000, 150
TRAIN = """
import resource, sys
from pathlib import Path
from tasks.artifacts.rows import load_transitions
from tasks.train.engine.loop import train
from tests.train import harness

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def run(data):
    train(harness.make("td3_bc", data=data), data, 10, 256)

run(harness.transitions())  # what torch takes for itself
before = peak()
run(load_transitions(Path(sys.argv[1])))
print(peak() - before)
"""


def test_the_same_numbers_from_a_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    small = load_transitions(tmp_path / ID)
    memory = pack(harness.make("td3_bc", data=small), small)
    assert not mapped.TABLES.exists()
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 1)
    large = load_transitions(tmp_path / ID)
    for field in dataclasses.fields(small):
        ours, theirs = (getattr(x, field.name) for x in (large, small))
        assert np.array_equal(ours, theirs), field.name
    file = pack(harness.make("td3_bc", data=large), large)
    assert file.numpy().tobytes() == memory.numpy().tobytes()
    assert list(mapped.TABLES.iterdir()) == []  # no name, so nothing to clear away


def test_what_is_released_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 1)
    array = blank((3, 5000), np.float32)
    array[:] = np.arange(15_000).reshape(3, 5000)
    release(array, array[1:], np.ones(3), None)
    assert array[2, -1] == 14_999
    assert array.sum(dtype=np.float64) == 15_000 * 14_999 / 2


def test_a_disk_without_room_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match=r"\.offcut/tables: free bytes"):
        blank((1 << 30, 1 << 20), np.float32)


def test_memory_is_bounded(world: World, tmp_path: Path):
    episodes = [episode(seed, STEPS) for seed in range(EPISODES)]
    episodes = [dataclasses.replace(e, infos={}) for e in episodes]
    write_dataset(tmp_path / ID, ID, episodes, world, BLOCK)
    command = [sys.executable, "-c", TRAIN, tmp_path / ID]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < MOST_MB
