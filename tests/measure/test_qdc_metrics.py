"""Datasets recorded, measured, gated and refused."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.opening import MAIN
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.measure.__main__ import main
from tasks.measure.qdc_metrics import quality
from tasks.measure.qdc_metrics.gate import check_gate
from tasks.measure.qdc_metrics.sample import Source, walk
from tests.measure import qdc_files as files

LETTERS = ("quality", "diversity", "complexity")


@pytest.fixture(scope="module")
def episodes() -> list[Any]:
    return files.recorded(episodes=14)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, episodes: list[Any]) -> Path:
    """Datasets of 14, 12 and 11 episodes, the last one small in every way."""
    root = tmp_path_factory.mktemp("qdc")
    files.write(root, "whole", episodes)
    files.write(root, "other", files.recorded(episodes=12, seed=1))
    return root


def told(root: Path, *names: str, **changes: Any) -> dict[str, Any]:
    """metrics.json of the first of some datasets that are measured together."""
    method = files.metrics(**changes)
    return method.metrics(names[0], names, root / "data/datasets")


def test_every_figure_has_value_n_seed_interval_and_family(root: Path):
    found = told(root, "whole")
    for letter in LETTERS:
        values = found[letter]
        assert len(values) >= 3
        assert len({one["family"] for one in values.values()}) >= 2, letter
        for name, one in values.items():
            assert one["low"] <= one["value"] <= one["high"], name
            assert one["n"] > 0, name
            assert one["seed"] == 0, name
    families = {one["family"] for one in found["diversity"].values()}
    assert families == {"lexical", "attribute", "embedding"}
    families = {one["family"] for one in found["complexity"].values()}
    assert families == {"length", "structure", "model"}
    json.dumps(found, allow_nan=False)


def test_the_same_again_and_another_seed_otherwise(root: Path):
    assert told(root, "whole", "other") == told(root, "whole", "other")
    one, two = told(root, "whole"), told(root, "whole", seed=1)
    assert one["quality"]["score"]["low"] != two["quality"]["score"]["low"]
    assert two["seed"] == two["quality"]["score"]["seed"] == 1


def test_datasets_that_are_compared_have_equal_shares(root: Path):
    alone = told(root, "whole")
    one, other = told(root, "whole", "other"), told(root, "other", "whole")
    assert alone["episodes"] == 14
    assert (one["episodes"], one["steps"]) == (12, 2000)
    for field in ("episodes", "steps", "peers", "bandwidth"):
        found = [sorted(m[field]) if field == "peers" else m[field]
                 for m in (one, other)]  # fmt: skip
        assert (
            found[0] == pytest.approx(found[1])
            if field == "bandwidth"
            else (found[0] == found[1])
        ), field
    for letter in LETTERS:
        for name, figure in one[letter].items():
            assert figure["n"] == other[letter][name]["n"] or name == "valid", name


def test_a_share_has_exactly_so_many_steps(root: Path):
    source = Source.open(root / "data/datasets/whole-v0")
    parts = list(walk(source, 5, 1130, 0))
    cut = [part for _, _, part in parts if part is not None]
    assert sum(map(len, cut)) == 1130
    assert len(cut[-1]) == 130
    assert len(cut[-1].observations) == 131
    assert {"qpos", "qvel"} <= set(cut[0].infos)
    few = list(walk(source, 5, 250, 0))
    assert [part is None for _, _, part in few] == [False, False, True, True, True]
    assert [n for n, *_ in few] == [n for n, *_ in parts][:5]


def test_without_reference_scores_returns_are_unavailable(
    tmp_path: Path, episodes: list[Any]
):
    folder = files.write(tmp_path, "whole", episodes)
    block = json.loads((folder / "world.json").read_text())
    del block["world"]["ref_min"]
    write_sealed(folder / "world.json", block)
    found = told(tmp_path, "whole")
    for name in ("score", "top", "success"):
        assert found["quality"][name]["value"] is None
    assert found["diversity"]["qd_score"]["value"] is None
    assert found["quality"]["dynamics"]["value"] == 1


@pytest.mark.parametrize(
    ("edit", "figure"),
    [
        (files.copies, "diversity.vendi"),
        (files.nearly, "diversity.spread"),
        (files.corrupted, "quality.dynamics"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is the same as episode")
def test_the_gate_refuses_collapsed_and_corrupted_data(
    tmp_path: Path, episodes: list[Any], edit: files.Edit, figure: str
):
    files.write(tmp_path, "bad", edit(episodes))
    letter, name = figure.split(".")
    least = files.params().gate[letter][name]
    with pytest.raises(RefusedError) as caught:
        told(tmp_path, "bad", gate={letter: {name: least}})
    assert caught.value.field == figure
    with pytest.raises(RefusedError, match="gate"):  # with all thresholds
        told(tmp_path, "bad")
    assert f"measure.qdc_metrics.gate.{figure}" in caught.value.mend


def test_transitions_outside_their_spaces_are_counted(root: Path, episodes: list[Any]):
    source = Source.open(root / "data/datasets/whole-v0")
    wild = replace(episodes[0], actions=episodes[0].actions * 0 + 9)
    assert quality.inside(source, episodes[0]) == 200
    assert quality.inside(source, wild) == 0
    high = episodes[0].observations.copy()
    high[7, 2] = 99
    odd = replace(episodes[0], observations=high)
    assert quality.inside(source, odd) == 198  # before it and after it


def test_what_is_unavailable_is_not_judged():
    from tasks.measure.qdc_metrics.figures import Measure, unavailable

    good = Measure(3.0, 2, 4, 10, 0, "x")
    found = {"quality": {"score": unavailable("x", "no"), "valid": good}}
    gate = {"quality": {"score": 10.0, "valid": 1.0}}
    assert check_gate(found, gate, "d") == ["quality.valid"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gate": {"quality": {"vendi": 1}}}, r"gate.quality.vendi: found an unknown"),
        ({"gate": {"speed": {}}}, "gate.speed: found an unknown name"),
        ({"gate": {"quality": {"valid": "all"}}}, "gate.quality.valid: found 'all'"),
        ({"gate": {"quality": 3}}, "gate.quality: found 3"),
        ({"episodes": 9}, r"episodes: found 9, expected \[10"),
        ({"confidence": 1.0}, "confidence"),
        ({"reference": {"pendulum": [[1, 2], [1]]}}, "reference.pendulum"),
    ],
)
def test_bad_parameters_are_refused(changes: dict[str, Any], said: str):
    with pytest.raises(RefusedError, match=said):
        files.params(**changes)


def test_a_reference_of_another_width_is_refused(root: Path):
    with pytest.raises(RefusedError, match=r"reference.pendulum: found 2 observations"):
        told(root, "whole", reference={"pendulum": [[0, 0], [1, 1]]})
    assert told(root, "whole", reference={})["reference"] == "union"


def test_few_episodes_are_refused(tmp_path: Path, episodes: list[Any]):
    files.write(tmp_path, "few", episodes[:9])
    with pytest.raises(RefusedError, match="episodes: found 9, expected at least 10"):
        told(tmp_path, "few")
    folder = files.write(tmp_path, "none", episodes)
    card = json.loads((folder / "card.json").read_text())
    write_sealed(folder / "card.json", card | {"episodes": 0})
    with pytest.raises(RefusedError, match="episodes: found 0"):
        told(tmp_path, "none")


def test_a_dataset_too_small_for_the_others_is_refused(root: Path, tmp_path: Path):
    short = files.recorded(episodes=11, max_steps=20)
    files.write(tmp_path, "short", short)
    for kept in (root / "data/datasets").iterdir():
        (tmp_path / "data/datasets" / kept.name).symlink_to(kept)
    with pytest.raises(RefusedError, match="steps that are compared: found 220"):
        told(tmp_path, "whole", "short")


def test_numbers_that_are_not_finite_are_counted_and_refused(
    tmp_path: Path, episodes: list[Any]
):
    folder = files.write(tmp_path, "bad", episodes)
    with h5py.File(folder / MAIN, "r+") as stored:
        stored["episode_3/observations"][5, :2] = np.nan
    card = json.loads((folder / "card.json").read_text())
    card["sha256"] = sha256(folder / MAIN)
    write_sealed(folder / "card.json", card)
    with pytest.raises(RefusedError, match="episode 3, observations: found 2 numbers"):
        told(tmp_path, "bad")


def test_other_spaces_are_no_peers_and_refused_side_by_side(root: Path, tmp_path: Path):
    files.write(tmp_path, "pole", files.recorded("cartpole", 12), "cartpole")
    for kept in (root / "data/datasets").iterdir():
        (tmp_path / "data/datasets" / kept.name).symlink_to(kept)
    assert told(tmp_path, "whole", "pole")["peers"] == ["whole"]
    place = tmp_path / "data/datasets"
    sources = [Source.open(place / f"{name}-v0") for name in ("whole", "pole")]
    with pytest.raises(RefusedError, match="the same observations and actions in all"):
        files.metrics().yardstick(sources)


def test_discrete_actions_are_measured_too(tmp_path: Path):
    files.write(tmp_path, "pole", files.recorded("cartpole", 12), "cartpole")
    found = told(tmp_path, "pole", gate={})
    entropy = found["diversity"]["action_entropy"]
    assert entropy["value"] == pytest.approx(np.log(2), abs=0.05)
    assert found["complexity"]["switching"]["value"] == pytest.approx(50, abs=15)


@pytest.fixture
def place(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, episodes: list[Any]
) -> Any:
    """A study that measures two datasets; call it to run the stage."""
    (tmp_path / "data/datasets").mkdir(parents=True)
    for kept in (root / "data/datasets").iterdir():
        (tmp_path / "data/datasets" / kept.name).symlink_to(kept)
    files.write(tmp_path, "bad", files.corrupted(episodes))
    text = (files.HERE / "params/measure/qdc_metrics.yaml").read_text()
    block = yaml.safe_load(text) | files.SMALL
    names = ["whole", "other", "bad"]
    study = {"name": "pair", "datasets": names, "measured": names, "gate": "pair"}
    composed = {"study": study, "measure": {"qdc_metrics": block}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(composed))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["qdc_metrics", *arguments])
        return run_stage(main)

    return run


def test_the_stage_writes_figures_and_the_gate(
    place: Any, capsys: pytest.CaptureFixture[str]
):
    assert place("--dataset", "whole") == 0
    assert "score" in capsys.readouterr().out
    path = Path("data/qdc/whole/metrics.json")
    first, found = path.read_bytes(), json.loads(path.read_text())
    passed = json.loads(Path("data/gates/pair/whole.json").read_text())
    assert passed == {"dataset": "whole", "sha256": found["dataset_sha256"]}
    assert place("--dataset", "whole") == 0
    assert path.read_bytes() == first
    capsys.readouterr()
    assert place("--reference", "whole") == 0
    line = yaml.safe_load(capsys.readouterr().out.strip())
    assert np.shape(line["pendulum"]) == (2, 3)


def test_the_stage_stops_at_the_gate_and_writes_nothing(
    place: Any, capsys: pytest.CaptureFixture[str]
):
    assert place("--dataset", "bad") == 1
    assert "quality.dynamics: found" in capsys.readouterr().err
    assert not Path("data/gates").exists()
    assert not list(Path("data").glob("qdc/*"))
    assert place("--dataset", "hole") == 1
    assert "did you mean whole?" in capsys.readouterr().err


@pytest.mark.parametrize("study", ["qdc_metrics", "archives_smoke"])
def test_the_studies_measure_what_they_train_on(study: str):
    from tasks.artifacts.compose import composed as compose_study

    params = yaml.safe_load(compose_study([f"study={study}"], files.HERE / "params"))
    assert params["study"]["measured"] == params["study"]["datasets"]
    assert params["study"]["gate"] == study
    parts = [str(d["generate"]) for d in params["dataset"].values()]
    assert len(set(parts)) == len(parts)  # made differently
