from pathlib import Path

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train").mkdir()
    (tmp_path / "config.yaml").write_text("defaults:\n  - /train@train.bc: bc\n")
    (tmp_path / "train/bc.yaml").write_text("rate: 0.1\nhidden: [64, 64]\n")
    return tmp_path


def test_groups_become_blocks(folder: Path):
    text = composed(folder=folder)
    assert yaml.safe_load(text) == {"train": {"bc": {"rate": 0.1, "hidden": [64, 64]}}}
    assert text == composed(folder=folder)


def test_an_override_changes_one_value(folder: Path):
    changed = yaml.safe_load(composed(["train.bc.rate=0.2"], folder))
    assert changed["train"]["bc"]["rate"] == 0.2


@pytest.mark.parametrize("override", ["nonsense", "train.bc.rate=${x}", ""])
def test_an_override_that_fits_nothing_is_refused(folder: Path, override: str):
    with pytest.raises(RefusedError, match="params: composition"):
        composed([override], folder)


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("train.bc.rat=1", "train.bc.rate"),
        ("trian.bc.rate=1", "train.bc.rate"),
        ("tran=1", "train"),
        ("train/bc=iql", "train.bc"),
    ],
)
def test_the_key_nearest_to_an_unknown_one_is_named(
    folder: Path, override: str, near: str
):
    with pytest.raises(RefusedError, match=f"unknown key, expected e.g. {near};"):
        composed(["train.bc.hidden=[1]", override], folder)


@pytest.mark.parametrize("prefix", ["", "+", "++", "~"])
def test_keys_of_hydra_itself_are_refused(prefix: str):
    """One of them names packages, which Hydra would import."""
    with pytest.raises(RefusedError, match="expected a key of the study"):
        composed([f"{prefix}hydra.searchpath=[pkg://evil]"])
