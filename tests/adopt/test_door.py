"""``make adopt``: from a zip to a verdict, and what is refused before it is written."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.adopt.cores.normaliser import Normaliser
from tasks.adopt.engine.brought import check_beside, kind_of, setting
from tasks.adopt.engine.door.__main__ import main
from tasks.adopt.engine.source import replayed
from tasks.artifacts.errors import RefusedError
from tests.adopt.sources import AGENTS, adopted, oracle
from tests.e2e.project import Project
from tests.e2e.test_code import known, locked

DOOR = ("python", "-m", "tasks.adopt.engine.door")
SMALL = "evaluate:\n  returns: {episodes: 5, resamples: 200}\n"
SMALL += "profile:\n  latency: {repeats: 20, rounds: 2, warm_up: 2}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("adopt") / "clone")


def door(project: Project, name: str, file: Path, *more: str, code: int = 0) -> str:
    return project.run(*DOOR, "--name", name, *more, "--", str(file), code=code)


@pytest.mark.slow
@pytest.mark.e2e
def test_a_zip_becomes_files_with_verdicts(project: Project):
    rows = AGENTS / "sac.npz"
    before = (AGENTS / "sac.zip").read_bytes()
    more = ("--world", "pendulum", "--replay", str(rows))
    said = door(project, "mine", AGENTS / "sac.zip", *more)
    assert "Stable-Baselines3 SAC, 3 observations to 32 x 32 x 1, relu" in said
    assert (AGENTS / "sac.zip").read_bytes() == before
    study = project.folder / "params/study/mine.yaml"
    study.write_text(study.read_text() + SMALL)
    project.run("python", "-m", "tasks.artifacts.compose", "study=mine")
    ran = project.repro()
    assert {"adopt@mine", "generate@mine", "evaluate@mine-mine-gptq4", "report"} <= ran
    metrics = json.loads(project.data("report/table.json").read_text())["mine"]["mine"]
    verdicts = {variant: figures["verdict"] for variant, figures in metrics.items()}
    assert verdicts == dict.fromkeys(("float32", "int8_static", "gptq4"), "HELD")
    assert metrics["gptq4"]["bytes"] < 0.6 * metrics["float32"]["bytes"]
    played = project.data("evaluations/mine/mine/float32/metrics.json")
    expected = oracle("sac")["returns"]  # the same five starts
    mean = json.loads(played.read_text())["return"]["mean"]
    assert mean == pytest.approx(expected.mean(), rel=1e-3)
    contract = json.loads(project.data("onnx/mine/mine/gptq4/seed-0.json").read_text())
    assert contract["adopted"]["format"] == "Stable-Baselines3 SAC"
    assert contract["adopted"]["verified"].startswith("1000 rows, largest difference")
    methods = [maker["method"] for maker in contract["made_by"]]
    assert methods == ["adopt.sb3", "compress.gptq4"]
    assert contract["learner"] == "mine"
    page = project.data("report/index.html").read_text()
    assert "not made here: Stable-Baselines3 SAC; 1000 rows" in page
    assert "up to date" in project.dvc("status")
    loaded = project.loaded()["tasks.adopt --policy mine"]
    assert loaded <= known(project, locked(project)["adopt@mine"])
    assert "tasks/adopt/engine/torch_file.py" not in loaded


@pytest.mark.slow
@pytest.mark.e2e
def test_it_is_taken_again_and_what_was_edited_stays(project: Project):
    world = ("--world", "cartpole")
    door(project, "again", AGENTS / "dqn.zip", *world)
    study = project.folder / "params/study/again.yaml"
    study.write_text(study.read_text() + SMALL)
    said = door(project, "again", AGENTS / "ppo_discrete.zip", *world)
    assert "PPO or A2C" in said
    assert "wrote params/study" not in said
    assert study.read_text().endswith(SMALL)
    source = json.loads(project.data("sources/again/source.json").read_text())
    assert source["brought"] == "ppo_discrete.zip"
    project.run("python", "-m", "tasks.artifacts.compose", "study=smoke")
    project.run("python", "-m", "tasks.generate", "--dataset", "pendulum_mixture")
    door(project, "beside", AGENTS / "td3.zip", "--dataset", "pendulum_mixture")
    assert not (project.folder / "params/dataset/beside.yaml").exists()
    project.run("python", "-m", "tasks.artifacts.compose", "study=beside")
    project.run("python", "-m", "tasks.code")
    said = project.run("python", "-m", "tasks.adopt", "--policy", "beside")
    assert "data/policies/pendulum_mixture/beside: Stable-Baselines3 TD3" in said
    project.run("python", "-m", "tasks.artifacts.compose", "study=smoke")
    said = door(project, "bc", AGENTS / "dqn.zip", *world, code=1)
    assert (
        "params/train/bc.yaml: name: found bc, a learner, expected a new name" in said
    )
    said = door(project, "expert", AGENTS / "dqn.zip", *world, code=1)
    assert "expert.onnx: name: found expert, a behaviour" in said
    said = door(project, "b", AGENTS / "dqn.zip", "--world", "pendulum", code=1)
    assert "found Discrete, expected Box, as the world's" in said
    said = door(project, "b", AGENTS / "dqn.zip", "--dataset", "nothing", code=1)
    assert "nothing-v0" in said
    said = door(project, "b", AGENTS / "dqn.zip", *world, "--options", "a=b", code=1)
    assert "OPTIONS: found a, expected none" in said
    assert not project.data("sources/b").exists()
    assert not (project.folder / "params/adopt/b.yaml").exists()


def test_a_name_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["x", "--name", "../a", "--world", "w", "f"])
    with pytest.raises(RefusedError, match="--name: found '../a'"):
        main()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"\x80\x04K\x01.",
            "content: found a pickle, expected no file that holds code",
        ),
        (b"", "content: found no nodes|content: found"),
        (None, "file: found nothing"),
    ],
)
def test_what_is_no_policy_is_refused(data: bytes | None, words: str, tmp_path: Path):
    path = tmp_path / "a.zip"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RefusedError, match=words):
        kind_of(path)
    with pytest.raises(RefusedError, match="file: found a folder"):
        kind_of(tmp_path)


ZOO = """\
!!python/object/apply:collections.OrderedDict
- - - batch_size
    - 256
  - - {key}
    - {value}
"""


@pytest.mark.parametrize(
    ("key", "value", "refused"),
    [
        ("normalize", "true", True),
        ("normalize", "'{''norm_obs'': True}'", True),
        ("normalize", "false", False),
        ("frame_stack", "4", True),
        ("frame_stack", "1", False),
        ("env_wrapper", "sb3_contrib.common.wrappers.TimeFeatureWrapper", True),
        ("env_wrapper", "null", False),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_a_trainers_settings_are_asked(
    key: str, value: str, refused: bool, plain: bool, tmp_path: Path
):
    (tmp_path / "Env-v1").mkdir()
    text = f"a: 1\n{key}: {value}\n" if plain else ZOO.format(key=key, value=value)
    (tmp_path / "Env-v1/config.yml").write_text(text)
    if not refused:
        check_beside(tmp_path / "a.zip", "sb3", None)
        return
    with pytest.raises(RefusedError, match=f"config.yml: {key}: found") as error:
        check_beside(tmp_path / "a.zip", "sb3", None)
    assert "\n" not in str(error.value)
    if key == "normalize":
        check_beside(tmp_path / "a.zip", "sb3", tmp_path / "norm.npz")


def test_a_setting_is_found_in_no_longer_word():
    assert setting("my_normalize: true\n", "normalize") == ""


def test_statistics_as_a_pickle_are_never_opened(tmp_path: Path):
    (tmp_path / "vecnormalize.pkl").write_bytes(b"hello")
    with pytest.raises(RefusedError, match=r"expected NORM=norm.npz.*np.savez\("):
        check_beside(tmp_path / "a.zip", "sb3", None)
    check_beside(tmp_path / "a.zip", "sb3", tmp_path / "norm.npz")


NORM = {"mean": np.zeros(3), "var": np.ones(3), "eps": 1e-8, "clip": 10.0}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mean": np.zeros(2)}, "shapes: found mean"),
        ({"mean": np.array([0, np.nan, 0])}, "mean, var: found a number that is not"),
        ({"var": np.array([1, -1, 1])}, "var: found -1 at the smallest"),
        ({"var": np.zeros(3), "eps": 0.0}, "var: found 0 at the smallest"),
        ({"clip": 0.0}, "clip: found 0.0, expected a number above 0"),
        ({"clip": np.ones(3)}, "shapes: found mean"),
    ],
)
def test_statistics_that_are_none_are_refused(
    changed: dict[str, object], words: str, tmp_path: Path
):
    path = tmp_path / "norm.npz"
    np.savez(path, **NORM)
    assert Normaliser.read(path).limit == 10
    np.savez(path, **{**NORM, **changed})
    with pytest.raises(RefusedError, match=words):
        Normaliser.read(path)
    np.savez(path, mean=np.zeros(3))
    with pytest.raises(RefusedError, match="var: found only mean"):
        Normaliser.read(path)


def cut(o: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return o, a[:-1]


def off(o: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a[7] += 0.01
    return o, a


def narrow(o: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return o[:, :2], a


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (cut, "actions: found shape"),
        (off, r"in row 7, 0.01 half-ranges off|in row 7, 0.005 half-ranges off"),
        (narrow, "arrays: found"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    edit: Callable[..., tuple[np.ndarray, np.ndarray]], words: str, tmp_path: Path
):
    policy, rows = adopted("sac", tmp_path), oracle("sac")
    path = Path(shutil.copy(AGENTS / "sac.npz", tmp_path / "replay.npz"))
    assert replayed(path, policy).startswith("1000 rows, largest difference")
    o, a = edit(rows["observations"], rows["actions"])
    np.savez(path, observations=o, actions=a)
    with pytest.raises(RefusedError, match=words):
        replayed(path, policy)


def test_choices_that_differ_are_counted(tmp_path: Path):
    policy, rows = adopted("dqn", tmp_path), oracle("dqn")
    path = tmp_path / "replay.npz"
    np.savez(path, observations=rows["observations"], actions=rows["actions"][:, None])
    assert replayed(path, policy) == "1000 rows, all actions equal"
    rows["actions"][:3] ^= 1
    np.savez(path, observations=rows["observations"], actions=rows["actions"])
    with pytest.raises(RefusedError, match="found 3 of 1000 actions that differ"):
        replayed(path, policy)
