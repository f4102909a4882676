"""Checkpoints: whole, exact, and good for a training that is killed."""

import multiprocessing
import random
import signal
from pathlib import Path

import pytest
import torch

from tasks.artifacts.files import sha256
from tasks.train._checkpoint import Checkpoint
from tasks.train.engine import train

from . import harness

KILLS = 3


def test_checkpoint_keeps_one_state_and_its_exact_numbers(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path / "deep" / "state")
    assert checkpoint.load() is None
    x = torch.tensor([0.1, -3e38])
    checkpoint.save(5, {"x": x, "shared": x}, ["update", "é"])
    (checkpoint.folder / ".tmpabc").write_text("of a killed run")
    checkpoint.save(7, {"x": x + 1, "empty": torch.zeros(0, 3)}, ["update"])
    assert len(list(checkpoint.folder.iterdir())) == 1
    state = checkpoint.load()
    assert state is not None
    assert (state.step, state.columns) == (7, ["update"])
    assert torch.equal(state.tensors["x"], x + 1)
    assert state.tensors["empty"].shape == (0, 3)
    checkpoint.remove()
    assert not checkpoint.folder.exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "rename", "empty"])
def test_a_broken_checkpoint_means_a_new_start(tmp_path: Path, harm: str):
    checkpoint = Checkpoint(tmp_path / "state")
    data = harness.transitions()
    whole = harness.make("bc", updates=20)
    train(whole, data, 20, batch=8, checkpoint=checkpoint, every=0)
    (file,) = checkpoint.folder.iterdir()
    content = bytearray(file.read_bytes())
    if harm == "flip":
        content[-9] ^= 1
    file.write_bytes({"cut": content[:-1], "empty": b""}.get(harm, content))
    if harm == "rename":
        file.rename(file.with_name("000000000019" + "-" + "0" * 64 + ".safetensors"))
    assert checkpoint.load() is None
    again = harness.make("bc", updates=20)
    train(again, data, 20, batch=8, checkpoint=checkpoint)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path: Path):
    moments = random.Random(0)  # noqa: S311
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
    starts = []
    fork = multiprocessing.get_context("fork")  # no second import of torch
    for _ in range(KILLS):
        listen, say = fork.Pipe(duplex=False)
        child = fork.Process(target=harness.killable, args=(killed, say.send))
        child.start()
        starts.append(listen.recv())
        for _ in range(moments.randint(1, 25)):
            listen.recv()
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert not (killed / "policy.safetensors").exists()
    assert starts[0] < starts[1] < starts[2]  # each went on where the last one was
    harness.killable(killed, every=60)
    harness.killable(whole, every=60)
    for name in ("policy.safetensors", "policy.json", "curves.csv"):
        assert sha256(killed / name) == sha256(whole / name), name
