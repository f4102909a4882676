"""Checkpoints: whole, exact, and good for a training that is killed."""

import hashlib
import multiprocessing
import random
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.policy import save_policy
from tasks.code import PROJECT, of_method
from tasks.train.engine.loop import identity, train

from . import harness

KILLS = 3


@pytest.mark.parametrize(
    ("columns", "match"),
    [("{", "content: found"), ("[1]", "found columns"), ("3", "not iterable")],
)
def test_a_state_that_something_else_wrote_is_refused(
    tmp_path: Path, columns: str, match: str
):
    data = save({"curves": torch.zeros(1)}, {"columns": columns})
    for content in (data, b"junk", data[:40]):
        name = f"{7:012d}-{hashlib.sha256(content).hexdigest()}.safetensors"
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RefusedError, match=match if content == data else "conte"):
            Checkpoint(tmp_path).load()
        (tmp_path / name).unlink()


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


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of tasks/, which identities are asked of instead."""
    copy = tmp_path / "tasks"
    shutil.copytree(
        PROJECT / "tasks", copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    of_copy = partial(of_method, project=tmp_path)
    monkeypatch.setattr("tasks.train.engine.loop.of_method", of_copy)
    return copy


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("artifacts/rows.py", {"bc", "dt", "cql"}),  # where actions are read
        ("train/__main__.py", {"bc", "dt", "cql"}),
        ("train/bc.py", {"bc"}),
        ("train/cql/soft_maximum.py", {"cql"}),
        ("nets/transformer.py", {"dt"}),
        ("artifacts/density.py", set()),
    ],
)
def test_a_checkpoint_is_of_the_code_it_was_made_by(
    elsewhere: Path, path: str, changed: set[str]
):
    small = {"dt": {"context": 4, "width": 8, "episode_steps": 96}}
    learners = {
        name: harness.make(name, **small.get(name, {})) for name in ("bc", "dt", "cql")
    }

    def identities() -> dict[str, str]:
        return {name: identity(x, {}, "ab", 10, 8) for name, x in learners.items()}

    before, file = identities(), elsewhere / path
    file.write_text(
        file.read_text() + "\n# edited, say by a minus before the actions\n"
    )
    after = identities()
    assert {name for name in learners if after[name] != before[name]} == changed


def killable(
    folder: Path, say: Callable[[int], None] = lambda _: None, every: float = 0
) -> None:
    """Train with checkpoints, saying at each log how far it is; write the result."""
    learner = harness.make("td3_bc", (0, 4), 400)
    data = harness.transitions()
    key = identity(learner, harness.block("td3_bc"), data.sha256, 400, 16)
    curves = train(
        learner,
        data,
        400,
        batch=16,
        checkpoint=Checkpoint(folder / key),
        report=lambda done, _: say(done),
        every=every,
    )
    save_policy(folder, learner.policy(), {})
    (folder / "curves.csv").write_text(curves.csv())


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path: Path):
    moments = random.Random(0)  # noqa: S311
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
    starts = []
    fork = multiprocessing.get_context("fork")  # no second import of torch
    for _ in range(KILLS):
        listen, say = fork.Pipe(duplex=False)
        child = fork.Process(target=killable, args=(killed, say.send))
        child.start()
        starts.append(listen.recv())
        for _ in range(moments.randint(1, 25)):
            listen.recv()
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert not (killed / "policy.safetensors").exists()
    assert starts[0] < starts[1] < starts[2]  # each went on where the last one was
    killable(killed, every=60)
    killable(whole, every=60)
    for name in ("policy.safetensors", "policy.json", "curves.csv"):
        assert sha256(killed / name) == sha256(whole / name), name
