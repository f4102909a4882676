"""A search's checkpoints: killed and resumed, and which code and numbers share one."""

from pathlib import Path

import pytest
import torch

from tasks.generate.dcg_map_elites.search import identity
from tests.code.edited import edited
from tests.generate.archives import ARMS, STEPS, small
from tests.generate.test_rollout import quiet
from tests.worlds.harness import load

SEARCH = "tasks.generate.dcg_map_elites.search"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SEARCH + ".CHECKPOINTS", tmp_path / "kept")


@pytest.mark.parametrize("arm", ["dcg", "map_elites"])
def test_a_killed_search_ends_the_same(
    arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(SEARCH + ".CHECKPOINT_SECONDS", 0.0)
    world = load("swimmer_omni", max_steps=STEPS)
    whole = small(**ARMS[arm])
    expected = whole.episodes(world, quiet)
    assert whole.checkpoint
    whole.checkpoint.remove()

    def die(share: float, words: str) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    again = small(**ARMS[arm])
    with pytest.raises(KeyboardInterrupt):
        again.episodes(world, die)
    assert len(list(tmp_path.glob("kept/*/*.safetensors"))) == 1
    again = small(**ARMS[arm])
    resumed = again.episodes(world, quiet)
    assert again.search.done == 3
    for a, b in zip(expected, resumed, strict=True):
        assert a.observations.tobytes() == b.observations.tobytes()
        assert a.metadata["genome_sha256"] == b.metadata["genome_sha256"]
    one, two = whole.search.tensors(), again.search.tensors()
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name].nan_to_num(), two[name].nan_to_num()), name
    assert whole.figures == again.figures


def test_another_search_has_another_checkpoint():
    world = load("swimmer_omni", max_steps=STEPS)
    identities = {
        identity(small(**changes).params, where)
        for changes, where in (
            ({}, world),
            ({"seed": 1}, world),
            ({"conditioned": False, **ARMS["pga"]}, world),
            ({}, load("swimmer_omni", max_steps=STEPS + 1)),
        )
    }
    assert len(identities) == 4


@pytest.mark.parametrize(
    "path",
    [
        "tasks/generate/dcg_map_elites/buffer.py",
        "tasks/generate/cores/quality_diversity.py",
        "tasks/nets/layers.py",
        "tasks/worlds/cores/mujoco.py",
    ],
)
def test_edited_code_has_another_checkpoint(path: str, monkeypatch: pytest.MonkeyPatch):
    world, params = load("swimmer_omni", max_steps=STEPS), small().params
    before = identity(params, world)
    assert identity(params, world) == before
    edited(monkeypatch, path)
    assert identity(params, world) != before


def test_code_it_does_not_use_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    world, params = load("swimmer_omni", max_steps=STEPS), small().params
    before = identity(params, world)
    edited(monkeypatch, "tasks/generate/labels.py")
    edited(monkeypatch, "tasks/worlds/hopper.py")
    assert identity(params, world) == before
