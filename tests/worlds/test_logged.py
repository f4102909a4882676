"""Logs without a world: spaces as recorded, nothing to play, refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.dataset import load_episodes, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.code import made_by
from tasks.code.blocks import named_worlds
from tasks.code.check import check
from tasks.worlds.engine.recorded import read_checked, recorded_world
from tasks.worlds.logged import Logged
from tests.artifacts.made_up import three
from tests.worlds.harness import load

ID = "plant-v0"


def block(**changes: Any) -> dict[str, Any]:
    text = Path("params/world/logged.yaml").read_text("utf-8")
    return yaml.safe_load(text) | {"name": "plant", "step_seconds": 0.5} | changes


def logged() -> Logged:
    world = load("logged", name="plant", step_seconds=0.5)
    assert isinstance(world, Logged)
    return world.of(Box(-np.inf, np.inf, (11,), np.float64), Box(-1, 1, (3,)))


def written(root: Path) -> Path:
    by = [made_by("worlds", "plant", block())]
    write_dataset(root / ID, ID, three(), logged(), block(), made_by=by)
    return root / ID


def test_a_dataset_without_a_world_is_written_and_read(tmp_path: Path):
    folder = written(tmp_path)
    assert len(load_episodes(folder)[0]) == 3
    again = recorded_world(folder)
    assert again.action_space == logged().action_space
    assert again.observation_space == logged().observation_space
    assert again.step_seconds == read_checked(folder)["step_seconds"] == 0.5
    assert read_checked(folder)["made_by"][0]["method"] == "worlds.logged"
    assert (again.score(np.array([-3.0, 250.0])) == [-3.0, 250.0]).all()


def test_minari_reads_it_and_finds_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import minari

    written(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset(ID)
    assert dataset.spec.env_spec is None
    assert dataset.total_episodes == 3


def test_it_cannot_be_played():
    with pytest.raises(RefusedError, match="world plant: make: found 2 episodes") as e:
        logged().make(2)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("change", [{"env_id": "CartPole-v1"}, {"step_seconds": 0}])
def test_bad_blocks_are_refused(tmp_path: Path, change: dict[str, Any]):
    folder = written(tmp_path)
    from tasks.artifacts.recorded import write_world

    write_world(folder, block(**change), 1.0, [])
    with pytest.raises(RefusedError, match=r"world\.json: world\."):
        recorded_world(folder)


def test_a_study_may_name_it_as_it_likes_but_not_like_another_world():
    params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    data = params["dataset"]["hopper_medium_replay"]
    data["world"] = block()
    check(params)
    assert named_worlds(params) == {"plant": "logged"}
    data["world"] = block(name="hopper")
    with pytest.raises(RefusedError, match="hopper, of the class tasks.worlds.logged"):
        check(params)


def test_discrete_actions_are_read_back(tmp_path: Path):
    from dataclasses import replace

    world = logged().of(logged().observation_space, Discrete(3))
    episodes = [replace(e, actions=np.arange(len(e.rewards)) % 3) for e in three()]
    write_dataset(tmp_path / ID, ID, episodes, world, block())
    assert recorded_world(tmp_path / ID).discrete
