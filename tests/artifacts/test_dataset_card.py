"""The card of a dataset as a reader sees it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.dataset_card import described
from tasks.worlds import World
from tasks.worlds.logged import Logged, LoggedParams
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401
from tests.worlds.harness import load


def test_it_says_what_it_is_and_how_to_read_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = [{"method": "generate.mixture", "code_sha256": "ab"}]
    folder = tmp_path / "data/datasets" / ID
    write_dataset(folder, ID, three(), world, BLOCK, "Jumps.", made_by=made)
    text = (folder / "README.md").read_text()
    assert text.startswith(f"# {ID}\n\n3 episodes, 9 steps of `Hopper-v5`.\nJumps.\n")
    assert "| action | (3,) | bounds -1 to 1 |" in text
    assert "| a | 2 | 8 |" in text
    assert "0 is a return of 0, 100 one of 10" in text
    assert "- Made by `generate.mixture`: code ab." in text
    import minari

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", "")
    code = text.split("```python\n")[1].split("```")[0]
    place: dict = {"minari": minari}
    exec(code, place)  # noqa: S102
    assert place["dataset"].spec.total_steps == 9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"made_in": "real"}, None),
        ({}, "They were made in a simulated twin of it: friction x 0.3, gravity x 2."),
        ({"simulated": {}}, "They were made in a simulated twin of it: no difference."),
    ],
)
def test_it_says_what_was_made_in_a_simulated_twin(
    tmp_path: Path, changes: dict, words: str | None
):
    pair = {"simulated": {"friction": 0.3, "gravity": 2}, "made_in": "simulated"}
    target = "tasks.worlds.hopper.HopperTwin"
    twin = load("hopper", _target_=target, **(pair | changes))
    folder = tmp_path / "data/datasets" / ID
    write_dataset(folder, ID, three(), twin, BLOCK)
    text = (folder / "README.md").read_text()
    assert ("simulated twin" in text) == (words is not None)
    assert (words or "steps of `Hopper-v5`.") in text


def test_logs_have_no_score_and_foreign_names_no_control_codes(tmp_path: Path):
    params = LoggedParams("plant", "none", 10**6, 0.0, 1.0, "no", 0.5)
    box = Box(-np.inf, np.inf, (11,), np.float64)
    world = Logged(params).of(box, Box(-1, 1, (3,), np.float32))
    strange = dataclasses.replace(episode(0), source="a\x1b[2J\n# b | c")
    folder = tmp_path / ID
    figures = write_dataset(folder, ID, [strange], world, BLOCK)
    text = (folder / "README.md").read_text()
    assert "5 steps of logs without a world." in text
    assert "None: there is no world to play in" in text
    assert "| a?[2J?# b / c | 1 | 5 |" in text
    imported = {"source": "plant", "format": "csv", "source_sha256": "cd"}
    brought = {**figures, "imported": {**imported, "notes": ["rows 1 to 5"]}}
    said = described(brought, world, [])
    assert "- Read from data/sources/plant, csv, SHA-256 cd.\n- rows 1 to 5\n" in said
    world.action_space = Discrete(4)
    assert "| action | () | one of 4 |" in described(figures, world, [])
