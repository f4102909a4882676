"""The state of an online learner: as it was, and from nobody else."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import write_sealed
from tasks.learn.engine.state import FILE, WEIGHTS, read_state, take_up, write_state
from tests.learn.online import sac
from tests.train import harness
from tests.worlds.harness import load

ABOUT = {"learner": "sac", "steps": 90}


@pytest.fixture
def left(tmp_path: Path) -> tuple[Path, Any]:
    """The state of seeds 3, 1 and 2 after two updates, of two stacks."""
    learners = [sac(load("pendulum"), seeds) for seeds in ((3, 1), (2,))]
    for learner in learners:
        for step in range(2):
            learner.update(batch(learner), step)
    write_state(tmp_path, learners, fresh((3,)), ABOUT)
    return tmp_path, learners


def batch(learner: Any) -> Any:
    g = torch.Generator().manual_seed(1)
    drawn = harness.random_batch(learner)
    s = len(learner.seeds)
    drawn.action = torch.rand(s, 16, 1, generator=g)
    drawn.noise = {name: x[..., :1] for name, x in drawn.noise.items()}
    return drawn


def fresh(seeds: tuple[int, ...], **block: Any) -> Any:
    return sac(load("pendulum"), seeds, **block)


def test_a_stack_goes_on_as_if_it_had_not_ended(left: tuple[Path, Any]):
    folder, (both, _) = left
    again = fresh((3, 1))
    take_up(again, fresh((3,)), read_state(folder, "sac"), folder / WEIGHTS)
    for learner in (both, again):
        learner.update(batch(learner), 2)
    for name, tensor in both.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name


def test_any_seeds_make_a_stack(left: tuple[Path, Any]):
    folder, (both, other) = left
    mixed = fresh((2, 3))
    take_up(mixed, fresh((2,)), read_state(folder, "sac"), folder / WEIGHTS)
    weight = mixed.actor.layers[0].weight
    assert torch.equal(weight[0], other.actor.layers[0].weight[0])
    assert torch.equal(weight[1], both.actor.layers[0].weight[0])


def test_how_they_were_stacked_changes_no_byte(left: tuple[Path, Any], tmp_path: Path):
    folder, (_, other) = left
    alone = fresh((1,))
    take_up(alone, fresh((1,)), read_state(folder, "sac"), folder / WEIGHTS)
    first = fresh((3,))
    take_up(first, fresh((3,)), read_state(folder, "sac"), folder / WEIGHTS)
    (tmp_path / "other").mkdir()
    write_state(tmp_path / "other", [first, alone, other], fresh((3,)), ABOUT)
    assert sha256(tmp_path / "other" / WEIGHTS) == sha256(folder / WEIGHTS)


@pytest.mark.parametrize(
    ("seeds", "block", "message"),
    [
        ((7,), {}, "seeds: found 1, 2, 3, expected 7 among them"),
        ((3,), {"actor_hidden": [9]}, r"actor.layers.0.weight: found \[1, 3, 8\]"),
        ((3,), {"critic_hidden": [8, 8]}, "critics.net.layers.2.bias: found nothing"),
    ],
)
def test_another_stack_or_width_is_refused(
    seeds: Any, block: Any, message: str, left: tuple[Path, Any]
):
    folder, _ = left
    learner = fresh(seeds, **block)
    with pytest.raises(RefusedError, match=message):
        take_up(learner, learner, read_state(folder, "sac"), folder / WEIGHTS)


def test_another_learners_state_is_refused(left: tuple[Path, Any]):
    with pytest.raises(RefusedError, match="learner: found sac, expected dqn"):
        read_state(left[0], "dqn")


def test_damage_is_refused(left: tuple[Path, Any]):
    folder, _ = left
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(RefusedError, match=r"state.safetensors: sha256"):
        read_state(folder, "sac")
    (folder / WEIGHTS).unlink()
    with pytest.raises(RefusedError, match="found nothing"):
        read_state(folder, "sac")
    (folder / FILE).write_text("{}")
    with pytest.raises(RefusedError, match=r"state.json: self_sha256"):
        read_state(folder, "sac")


def changed(folder: Path, **tensors: torch.Tensor) -> None:
    """Replace tensors, with hashes that fit."""
    said = json.loads((folder / FILE).read_text())
    save_file(load_file(folder / WEIGHTS) | tensors, folder / WEIGHTS)
    write_sealed(folder / FILE, said | {"file_sha256": sha256(folder / WEIGHTS)})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("3/log_temperature", torch.tensor([float("nan")]), "nan or inf"),
        ("3/optimiser/actor/step", torch.tensor(9.0), "others of each seed"),
        ("3/extra", torch.zeros(1), "extra: found a tensor"),
    ],
)
def test_numbers_of_no_run_are_refused(
    name: str, value: torch.Tensor, message: str, left: tuple[Path, Any]
):
    folder, _ = left
    changed(folder, **{name: value})
    state = read_state(folder, "sac")
    with pytest.raises(RefusedError, match=message):
        take_up(fresh((3, 1)), fresh((3,)), state, folder / WEIGHTS)
