"""The command of the stage: what it writes, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.policy import load_policy
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.code import made_by
from tasks.generate.engine.recording import Plan, collect
from tasks.learn.__main__ import main
from tasks.learn.engine import replay, replayed
from tasks.learn.engine.parts import Part
from tasks.loggers import LOGGERS, VARIABLE
from tasks.worlds.engine.behaviors import open_behavior
from tasks.worlds.engine.recorded import recorded_world
from tests.learn.online import SMALL
from tests.train import harness
from tests.variant_files import WORLDS

Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(learner, **changes of the study)`` in an empty project."""
    monkeypatch.chdir(tmp_path)
    source = Path("data/datasets/tiny-v0")
    source.mkdir(parents=True)
    world = WORLDS["pendulum"] | {"max_steps": 20}
    write_sealed(source / "world.json", {"schema": 2, "world": world} | STEP)
    (source / "card.json").write_text(json.dumps({"sha256": "ab" * 32}))

    def of(learner: str, **changes: Any) -> Path:
        start, block = changes.pop("start", ""), changes.pop("block", {})
        study = {"seeds": [3, 1], "updates": 1, "batch": 8, "snapshots": 0, "steps": 60}
        study |= {"precision": "float32", "processes": 1, "device": "cpu"}
        study |= changes
        params = {"study": study, "dataset": {"tiny": {}}, "learn": blocks(**block)}
        Path("params.yaml").write_text(yaml.safe_dump(params))
        arguments = ["learn", "--dataset", "tiny", "--learner", learner]
        arguments += ["--start", start] if start else []
        monkeypatch.setattr("sys.argv", arguments)
        main()
        return Path("data/policies/tiny") / (f"{learner}-{start}" if start else learner)

    return of


STEP = {"step_seconds": 0.05}


def blocks(**block: Any) -> dict[str, Any]:
    return {name: harness.block(name, **(SMALL | block)) for name in ("sac", "dqn")}


def test_it_writes_a_policy_with_curves_and_where_it_learned(run: Run):
    folder = run("sac", snapshots=2)
    names = {"policy.json", "policy.safetensors", "curves.csv", "snapshots"}
    names |= {"critic.json", "critic.safetensors", "state.json", "state.safetensors"}
    assert {file.name for file in folder.iterdir()} == names
    policy, origin = load_policy(folder)
    assert policy.seeds == 2
    assert origin == {
        "seeds": [3, 1],
        "learner": "sac",
        "learned": {"steps": 60},
        "dataset": "tiny",
        "dataset_sha256": "ab" * 32,
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "step_seconds": 0.05,
        "updates": 60,
        "made_by": [made_by("learn", "sac", blocks()["sac"])],
    }
    curves = (folder / "curves.csv").read_text().splitlines()
    head = "update,seed,return,critic_loss,actor_loss,entropy,value"
    assert curves[0] == head
    assert curves[-1].startswith("60,1,")
    whole = (folder / "policy.safetensors").read_bytes()
    assert (folder / "snapshots/60/policy.safetensors").read_bytes() == whole
    assert load_policy(folder / "snapshots/30")[1]["updates"] == 30
    assert not list(Path(".offcut/checkpoints").iterdir())


def test_twice_writes_the_same_bytes(run: Run):
    def files() -> dict[str, bytes]:
        folder = run("sac")
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    assert files() == files()


def test_a_logger_gets_the_curves_and_changes_no_byte(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    curves = (run("sac") / "curves.csv").read_bytes()
    monkeypatch.setitem(LOGGERS, "recording", ("tests.loggers.recording", "json"))
    monkeypatch.setenv(VARIABLE, "recording")
    assert (run("sac") / "curves.csv").read_bytes() == curves
    files = sorted(Path(".offcut/logs/recording").rglob("*.txt"))
    assert [file.name.split("-")[1] for file in files] == ["1", "3"]
    rows = [line.split(",")[0] for line in curves.decode().split() if ",1," in line]
    assert [line.split()[0] for line in files[0].read_text().split("\n")[:-2]] == rows


def test_processes_share_the_seeds(run: Run):
    whole, _ = load_policy(run("sac"))
    shared, _ = load_policy(run("sac", processes=2))
    for name, tensor in whole.state_dict().items():
        other = shared.state_dict()[name]
        assert tensor.allclose(other, atol=1e-5, rtol=0), name


def test_a_learner_of_other_actions_is_refused(run: Run):
    with pytest.raises(RefusedError, match=r"continuous actions of tiny: dsac_t, sac"):
        run("dqn")
    assert not Path("data/policies").exists()


def test_no_steps_to_learn_in_are_refused(run: Run):
    with pytest.raises(
        RefusedError, match=r"study.steps: found 30, expected more than"
    ):
        run("sac", steps=30)


def test_a_run_goes_on_from_another(run: Run):
    """Its first updates begin where the last of the other ended."""
    first = run("sac")
    folder = run("sac", start="sac", steps=32)
    policy, origin = load_policy(folder)
    assert origin["learner"] == "sac-sac"
    assert [maker["method"] for maker in origin["made_by"]] == ["learn.sac"] * 2
    before, after = (load_file(f / "state.safetensors") for f in (first, folder))
    assert before["3/optimiser/actor/step"] == 15
    assert after["3/optimiser/actor/step"] == 16
    near = before["3/actor.layers.0.weight"] - after["3/actor.layers.0.weight"]
    assert 0 < near.abs().max() < 1e-3  # one step of Adam
    assert run("sac", start="sac", steps=32) == folder
    assert policy.seeds == 2


def test_a_run_may_begin_with_some_of_the_seeds(run: Run):
    run("sac")
    assert load_policy(run("sac", start="sac", seeds=[1]))[1]["seeds"] == [1]
    with pytest.raises(RefusedError, match="seeds: found 1, 3, expected 2 among them"):
        run("sac", start="sac", seeds=[1, 2])


def test_episodes_bring_updates_seed_by_seed(run: Run):
    """Of 20 steps each: two of the three end after the warm-up."""
    block = {"updates_per_step": 0.0, "updates_per_episode": 2}
    folder = run("sac", block=block)
    state = load_file(folder / "state.safetensors")
    assert state["3/optimiser/actor/step"] == state["1/optimiser/actor/step"] == 4
    alone = load_file(run("sac", block=block, seeds=[1]) / "state.safetensors")
    for name, tensor in alone.items():
        assert torch.equal(tensor, state[name]), name


def test_batches_are_mixed_with_the_dataset(run: Run):
    plain = (run("sac") / "policy.safetensors").read_bytes()
    make_dataset()
    mixed = run("sac", block={"data_share": 0.5})
    assert (mixed / "policy.safetensors").read_bytes() != plain
    learned = {"steps": 60, "data_share": 0.5}
    assert load_policy(mixed)[1]["learned"] == learned
    with pytest.raises(RefusedError, match="a row of either kind"):
        run("sac", block={"data_share": 0.01})


def make_dataset() -> None:
    """Two episodes of random actions in the world of the tiny dataset."""
    folder = Path("data/datasets/tiny-v0")
    world = recorded_world(folder)
    block = json.loads((folder / "world.json").read_text())["world"]
    shutil.rmtree(folder)
    random = open_behavior(Path(), world, "random", 0.0)
    episodes = collect(world, [(random, Plan(0, 0, 2, None, 2))], lambda *_: None)
    write_dataset(folder, folder.name, episodes, world, block)


def test_no_updates_to_be_taken_are_refused(run: Run):
    with pytest.raises(RefusedError, match=r"updates_per_step: found 0.01, none in "):
        run("sac", block={"updates_per_step": 0.01})
    block = {"updates_per_step": 0.0, "updates_per_episode": 1}
    with pytest.raises(RefusedError, match="31, in which no episode ended, expected"):
        run("sac", block=block, steps=31)


def test_a_buffer_that_does_not_fit_is_refused_before_anything_is_made(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(replay, "memory", lambda: 2 * 60 * 9 * 4 - 1)
    with pytest.raises(RefusedError, match="what the memory has"):
        run("sac", processes=2)  # either half would fit
    assert not Path(".offcut/checkpoints").exists()


@pytest.mark.parametrize(("worlds", "processes"), [(1, 2), (2, 1)])
def test_what_it_did_becomes_a_dataset(
    run: Run,
    worlds: int,
    processes: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """All rows that it learned from, whole episodes but for the last ones."""
    kept: list[Any] = []
    real = Part.remove

    def keep(part: Part) -> None:
        kept.append(part)

    monkeypatch.setattr(Part, "remove", keep)
    block = {"record": True, "worlds": worlds}
    run("sac", block=block, processes=processes)
    out = Path("mine")
    asked = ["replayed", "--dataset", "tiny", "--policy", "sac", "--seed", "1"]
    monkeypatch.setattr("sys.argv", [*asked, "--out", str(out)])
    replayed.main()
    assert "make import SRC=mine/tiny-sac-1-v0" in capsys.readouterr().out
    data = load_transitions(out / "tiny-sac-1-v0")
    rows = np.fromfile(kept[-1].place / "replay", np.float32)
    rows = rows.reshape(len(kept[-1].seeds), -1, 3 + 1 + 1 + 3 + 1)[-1, :60]
    rows = rows.reshape(-1, worlds, 9).swapaxes(0, 1).reshape(-1, 9)  # world by world
    assert np.array_equal(data.observation, rows[:, :3])
    assert np.array_equal(data.next_observation, rows[:, 5:8])
    np.testing.assert_allclose(data.action / 2, rows[:, 3:4], atol=1e-6)
    np.testing.assert_allclose(data.reward, rows[:, 4], rtol=1e-6)
    lengths = [20, 20, 20] if worlds == 1 else [20, 10, 20, 10]
    assert np.bincount(data.episode).tolist() == lengths
    assert not data.terminated.any()
    with pytest.raises(RefusedError, match="expected nothing there"):
        replayed.main()
    monkeypatch.setattr("sys.argv", [*asked[:-1], "2", "--out", "other"])
    with pytest.raises(RefusedError, match="seed: found 2, expected one of 1, 3"):
        replayed.main()
    for part in kept:
        real(part)


def test_a_run_without_record_becomes_none(run: Run, monkeypatch: pytest.MonkeyPatch):
    run("sac")
    asked = ["replayed", "--dataset", "tiny", "--policy", "sac", "--seed", "1"]
    monkeypatch.setattr("sys.argv", [*asked, "--out", "mine"])
    with pytest.raises(RefusedError, match="set record: true"):
        replayed.main()
    assert not Path("mine").exists()
