"""What DVC would remove is told from what may be the user's."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.begun import mark_begun
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.ownership import check_outputs, check_place

MINE, STAGE = Path("data/datasets/mine-v0"), "generate@mine"
ROOT = Path(__file__).parents[2]
POLICY = Path("data/policies/mine/bc")
GRAPH = """
stages:
  code: {cmd: x, outs: [data/code: {cache: false}]}
  generate: {foreach: "${dataset}", do: {cmd: x, outs: ["data/datasets/${key}-v0"]}}
  train:
    matrix: {dataset: "${study.datasets}", learner: [bc]}
    cmd: x
    outs: ["data/policies/${item.dataset}/${item.learner}"]
"""
PARAMS = "dataset: {mine: {some: 1}}\nstudy: {datasets: [mine]}\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(GRAPH)
    Path("params.yaml").write_text(PARAMS)
    Path(".dvcignore").write_text("/data/x\nlatency.json\n*.tmp\n")


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def record(stage: str, path: Path, size: int, nfiles: int) -> None:
    """A dvc.lock with one stage."""
    out = {"path": str(path), "md5": "0.dir", "size": size, "nfiles": nfiles}
    text = yaml.safe_dump({"stages": {stage: {"cmd": "x", "outs": [out]}}})
    Path("dvc.lock").write_text(text)


def cache(text: str, folder: str = ".dvc/cache") -> None:
    """Put a file into DVC's cache."""
    md5 = hashlib.md5(text.encode()).hexdigest()  # noqa: S324
    fill(Path(folder, "files/md5", md5[:2]), **{md5[2:]: text})


def refused() -> str:
    with pytest.raises(RefusedError, match="it may be yours; move it away") as error:
        check_outputs()
    return str(error.value)


def test_nothing_an_empty_folder_and_uncached_outputs_are_fine():
    check_outputs()
    MINE.mkdir(parents=True)
    fill(Path("data/code"), some="x")
    check_outputs()


@pytest.mark.parametrize(("path", "stage"), [(MINE, STAGE), (POLICY, "train@mine-bc")])
def test_a_folder_that_no_stage_made_is_refused(path: Path, stage: str):
    fill(path, **{"mine.hdf5": "x" * 9, "world.json": '{"made_by": ["me"]}'})
    assert refused().startswith(f"{path}: output of {stage}: ")
    assert (path / "mine.hdf5").read_text() == "x" * 9


def test_so_is_a_file_and_a_link_to_a_folder():
    fill(MINE.parent, **{MINE.name: "x"})
    refused()
    MINE.unlink()
    fill(Path("elsewhere"), some="x")
    MINE.symlink_to(Path("elsewhere").resolve())
    refused()


def test_what_the_cache_has_is_fine_until_it_is_edited():
    fill(MINE, big="x" * 99, small="y", **{"latency.json": "1"})
    cache("y")
    refused()
    cache("x" * 99)
    check_outputs()
    fill(MINE, big="edited")
    refused()


def test_the_cache_may_lie_elsewhere():
    fill(MINE, some="x")
    fill(Path(".dvc"), config="[cache]\n    dir = ../shared\n")
    cache("x", "shared")
    check_outputs()
    fill(Path(".dvc"), **{"config.local": "['remote \"a\"']\n[cache]\ndir = none"})
    refused()


def test_what_a_killed_or_failed_stage_left_is_its_own():
    fill(POLICY, half="x")
    refused()
    mark_begun("train@mine-bc")
    check_outputs()


def test_an_edited_output_of_ours_is_fine():
    fill(POLICY, some="xyz")
    record("train@mine-bc", POLICY, 1, 1)
    check_outputs()


def test_a_dataset_of_the_users_in_place_of_a_recorded_one_is_refused():
    mark_begun(STAGE)
    fill(MINE, **{"mine.hdf5": "xyz", "latency.json": "1"})
    refused()
    record(STAGE, MINE, 1, 1)
    refused()
    record(STAGE, MINE, 3, 1)
    check_outputs()


@pytest.mark.parametrize("world", ["", "[]", "{}", '{"made_by": []}', "\udcff"])
def test_a_dataset_says_who_made_it(world: str):
    mark_begun(STAGE)
    fill(MINE, **{"main.hdf5": "edited"})
    (MINE / "world.json").write_text(world, errors="surrogateescape")
    refused()
    fill(MINE, **{"world.json": json.dumps({"made_by": [{"method": "worlds.hopper"}]})})
    check_outputs()


def test_a_dataset_from_another_clone_is_refused_where_no_stage_ran():
    """dvc.lock of a new clone has an entry of the stage, and no run left the folder."""
    record(STAGE, MINE, 1, 1)
    makers = json.dumps({"made_by": [{"method": "worlds.hopper"}]})
    fill(MINE, **{"main.hdf5": "theirs", "world.json": makers})
    refused()
    mark_begun(STAGE)
    check_outputs()


def test_an_imported_dataset_is_an_output_like_any_other():
    place = Path("data/datasets/brought-v0")
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    Path("dvc.yaml").write_text(
        yaml.safe_dump({"stages": {"import": stages["import"]}})
    )
    block = {"world": {"name": "brought"}, "generate": {"source": "brought"}}
    Path("params.yaml").write_text(yaml.safe_dump({"imported": {"brought": block}}))
    fill(place, **{"main_data.hdf5": "mine"})
    assert "data/datasets/brought-v0: output of import@brought" in refused()
    cache("mine")
    check_outputs()


def test_a_stage_started_by_hand_asks_of_its_place(monkeypatch: pytest.MonkeyPatch):
    fill(POLICY, mine="x")
    with pytest.raises(RefusedError, match="output of train@mine-bc: .*it may be yo"):
        check_place(POLICY)
    monkeypatch.setenv("DVC_STAGE", "train@mine-bc")
    check_place(POLICY)  # who started it has asked
    monkeypatch.delenv("DVC_STAGE")
    cache("x")
    check_place(POLICY)
    fill(POLICY, more="y")  # what it left itself, being started again
    check_place(POLICY)


def test_what_no_stage_of_the_graph_writes_goes_by_its_path():
    other = Path("data/compressed/mine/bc/float32")
    check_place(other)
    assert not other.parent.exists()
    fill(other, own="x")
    check_place(other)
    fill(other.with_name("x"), mine="x")
    with pytest.raises(RefusedError, match="bc/x: output of data/compressed/mine/bc/x"):
        check_place(other.with_name("x"))
