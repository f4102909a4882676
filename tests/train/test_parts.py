"""Seeds in several processes: the same output, whoever dies on the way."""

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.policy import load_policy
from tasks.artifacts.study import Effort
from tasks.train.engine.loop import train
from tasks.train.engine.parts import Job, Part
from tasks.train.engine.processes import Report, side_by_side, split

from . import harness
from .test_command import project  # noqa: F401

ROOT = Path(__file__).parents[2]
OUTPUT = Path("data/policies/tiny/td3_bc")
TINY = ("--dataset", "tiny", "--learner", "td3_bc")


@pytest.fixture(name="command")
def command_of_three_seeds(project: Any) -> Any:  # noqa: F811
    study(seeds=[3, 1, 8], processes=2, snapshots=2)
    return project


def study(**change: Any) -> None:
    """Change what params.yaml says of training."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["study"] |= change
    params["train"]["td3_bc"] = harness.block("td3_bc")
    Path("params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.parametrize(
    ("seeds", "parts", "found"),
    [
        ((3, 1, 8), 1, [(3, 1, 8)]),
        ((3, 1, 8), 2, [(3,), (1, 8)]),
        ((3, 1, 8, 5), 2, [(3, 1), (8, 5)]),
        ((3, 1), 5, [(3,), (1,)]),
    ],
)
def test_parts_are_neighbours(seeds: Any, parts: int, found: Any):
    assert split(seeds, parts) == found


def test_like_trainings_keep_their_checkpoints_apart():
    study = yaml.safe_load((ROOT / "params.yaml").read_text())["study"]
    effort, block = Effort.of(study), harness.block("td3_bc")
    job = Job("td3_bc", block, harness.transitions(), effort, {"td3_bc": {}})
    places = {
        Part(each, ["td3_bc"], (0,)).checkpoint.folder
        for each in (
            job,
            job,
            replace(job, name="again"),
            replace(job, data=harness.transitions(dataset_id="copy-v0")),
        )
    }
    assert len(places) == 3


def test_parts_leave_what_one_process_leaves(command: Any):
    command(*TINY)
    policy, origin = load_policy(OUTPUT)
    half, _ = load_policy(OUTPUT / "snapshots/10")
    rows = np.genfromtxt(OUTPUT / "curves.csv", delimiter=",", skip_header=1)
    assert not list(Path(".offcut/checkpoints").iterdir())
    parts = sha256(OUTPUT)
    command(*TINY)
    assert sha256(OUTPUT) == parts

    study(processes=1)
    command(*TINY)
    whole, of_whole = load_policy(OUTPUT)
    whole_rows = np.genfromtxt(OUTPUT / "curves.csv", delimiter=",", skip_header=1)
    assert origin == of_whole
    np.testing.assert_array_equal(rows[:, :2], whole_rows[:, :2])
    np.testing.assert_allclose(rows, whole_rows, rtol=1e-4, atol=1e-6)
    for found, name in ((policy, "."), (half, "snapshots/10")):
        truth = load_policy(OUTPUT / name)[0].state_dict()
        for key, tensor in found.state_dict().items():
            torch.testing.assert_close(
                tensor, truth[key], atol=harness.SAME_SEED, rtol=0
            )
    assert whole.seeds == policy.seeds == 3


def test_a_part_that_diverges_fails_the_stage(
    command: Any, monkeypatch: pytest.MonkeyPatch
):
    command(*TINY)
    old = sha256(OUTPUT)
    huge = harness.transitions(reward=np.full(96, 1e35, np.float32))
    monkeypatch.setattr("tasks.train.__main__.load_transitions", lambda _: huge)
    study(updates=400)
    with pytest.raises(RefusedError, match=r"train\.td3_bc: .* not finite at update"):
        command(*TINY)
    assert sha256(OUTPUT) == old


def test_the_first_failure_ends_all_and_is_told():
    begun = time.monotonic()

    def work(part: int, report: Report) -> None:
        report(1, {"loss": float(part)})
        if part == 1:
            raise RefusedError("here", "field", 1, 2, "mend it")
        time.sleep(60)

    reports: list[Any] = []
    with pytest.raises(RefusedError, match="here: field: found 1, expected 2; mend it"):
        side_by_side(3, work, lambda *report: reports.append(report), cores=3)
    assert time.monotonic() - begun < 30
    assert (0, {"loss": 1.0}) in reports or (0, {"loss": 0.0}) in reports
    assert not multiprocessing.active_children()


def test_a_killed_part_is_a_failure():
    with pytest.raises(ChildProcessError, match="part 1 of 2 ended with -9"):
        side_by_side(2, lambda *_: os.kill(os.getpid(), 9), print, cores=1)


def test_no_more_processes_than_cores(tmp_path: Path):
    def work(part: int, report: Report) -> None:
        mark = tmp_path / str(part)
        mark.touch()
        assert len(list(tmp_path.iterdir())) <= 2
        time.sleep(0.05)
        mark.unlink()

    side_by_side(5, work, print, cores=2)
    assert not list(tmp_path.iterdir())


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [
        int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]


def alive(pid: int) -> bool:
    """Whether a process runs, and is not just waiting to be reaped."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words[0] != "Z"


def test_killed_they_die_together_and_end_with_the_same_bytes(
    command: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(train.__kwdefaults__, "every", 0.0)
    study(updates=400)
    fork = multiprocessing.get_context("fork")
    for _ in range(2):
        child = fork.Process(target=command, args=TINY)
        child.start()
        assert child.pid
        end = time.monotonic() + 60
        started: list[int] = []
        while len(started) < 2 or not list(Path(".offcut").rglob("*.safetensors")):
            started = children(child.pid)
            assert time.monotonic() < end
            assert child.is_alive()
        child.kill()
        child.join()
        while any(alive(pid) for pid in started):
            assert time.monotonic() < end
        assert not OUTPUT.exists()
    monkeypatch.setitem(train.__kwdefaults__, "every", 60.0)
    command(*TINY)
    killed = sha256(OUTPUT)
    command(*TINY)
    assert sha256(OUTPUT) == killed
