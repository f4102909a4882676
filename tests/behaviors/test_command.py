"""The command on a tiny run, and the policies that lie in git."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import tasks.behaviors.__main__ as command
from tasks.artifacts.files import read_json
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.stage import run_stage
from tasks.worlds.engine.episodes import Moment, Played, play
from tests.worlds.harness import load

ROOT = Path(__file__).parents[2]
WORLDS = sorted(p.parent.name for p in ROOT.glob("data/behaviors/*/behaviors.json"))
TINY = {
    "seeds": [0, 3],
    "steps": 200,
    "start_steps": 40,
    "batch": 8,
    "updates_per_step": 0.25,
    "checkpoint_every": 50,
    "early_every": 20,
    "early_steps": 40,
    "episodes": 2,
    "replay": 2,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a tiny run's parameters."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    parameters()
    return tmp_path


def parameters(**changes: Any) -> None:
    path = Path("params/behaviors/pendulum.yaml")
    block = yaml.safe_load(path.read_text("utf-8")) | TINY | changes
    path.write_text(yaml.safe_dump(block))


def run(monkeypatch: pytest.MonkeyPatch, world: str = "pendulum") -> int:
    monkeypatch.setattr("sys.argv", ["behaviors", "--world", world])
    return run_stage(command.main)


def test_a_run_writes_policies_and_their_figures(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    assert run(monkeypatch) == 0
    out = Path("data/behaviors/pendulum")
    written = read_json(out / "behaviors.json", "")
    assert (written["schema"], written["world"]) == (1, "pendulum")
    assert written["seed"] in TINY["seeds"]
    policies = written["policies"]
    assert {"random", "expert", "medium", "replay-0"} <= policies.keys()
    assert {p.stem for p in out.glob("*.onnx")} == policies.keys() - {"random"}
    for name in policies.keys() - {"random"}:
        opened = OnnxPolicy.open(out / f"{name}.onnx")
        assert opened.contract["seed"] == written["seed"]
        assert opened.contract["parity"]["max"] <= 1e-5
        assert opened.act(np.zeros((2, 3))).shape == (2, 1)
        assert policies[name]["step"] in (20, 40, 50, 100, 150, 200)
    assert policies["expert"]["share"] == 1
    assert policies["replay-0"]["step"] == 20
    assert policies["random"]["length_mean"] == 200
    assert not list(Path(".offcut/behaviors").iterdir())
    assert [p.name for p in out.parent.iterdir()] == ["pendulum"]


def test_replay_by_return_is_chosen_of_checkpoints_of_its_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    assert run(monkeypatch) == 0
    out = Path("data/behaviors/pendulum")
    before = read_json(out / "behaviors.json", "")["policies"]
    parameters(replay_every=10, replay=3)
    assert run(monkeypatch) == 0
    policies = read_json(out / "behaviors.json", "")["policies"]
    for name in ("random", "expert", "medium"):  # no more checkpoints for these
        assert policies[name] | {"hours": 0} == before[name] | {"hours": 0}
    replay = [entry for name, entry in policies.items() if "replay" in name]
    returns = [entry["return_mean"] for entry in replay]
    steps = [entry["step"] for entry in replay]
    assert returns == sorted(set(returns))
    assert max(steps, default=0) <= policies["medium"]["step"]
    assert all(step % 10 == 0 for step in steps)
    low, high = (policies[name]["return_mean"] for name in ("random", "medium"))
    assert all(low < value < high for value in returns)


@pytest.mark.parametrize("world", WORLDS)
def test_replay_in_git_rises_where_its_parameters_say_so(world: str):
    text = (ROOT / f"params/behaviors/{world}.yaml").read_text("utf-8")
    params, written = yaml.safe_load(text), kept(world, "medium")[1]["policies"]
    if not params["replay_every"]:
        return
    names = ["random", *(f"replay-{i}" for i in range(params["replay"])), "medium"]
    shares = [written[name].get("share", 0.0) for name in names]
    levels = np.linspace(0, shares[-1], len(names))
    assert shares == sorted(set(shares))
    assert {n for n in written if "replay" in n} == {*names[1:-1]}
    np.testing.assert_allclose(shares, levels, atol=0.5 * levels[1])
    for name in names[1:-1]:
        assert written[name]["step"] % params["replay_every"] == 0


def test_the_same_run_writes_the_same_policies(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    runs = []
    for _ in range(2):
        assert run(monkeypatch) == 0
        files = Path("data/behaviors/pendulum").glob("*.onnx")
        runs.append({p.name: p.read_bytes() for p in files})
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("world", "changes", "message"),
    [
        ("pendulun", {}, "behaviors.pendulun: found an unknown name"),
        ("pendulum", {"steps": 0}, "behaviors.pendulum.steps: found 0, expected [1"),
        ("pendulum", {"medium": [0.3, 1.0]}, "medium: found 1.0, expected (0, 1)"),
        ("pendulum", {"step": 5}, "did you mean steps?"),
    ],
)
def test_bad_parameters_are_refused(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    world: str,
    changes: dict[str, Any],
    message: str,
):
    parameters(**changes)
    assert run(monkeypatch, world) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("data").exists()
    assert not Path(".offcut").exists()


def kept(world: str, name: str) -> tuple[OnnxPolicy, dict[str, Any]]:
    """A policy that lies in git, and what behaviors.json says of the world's."""
    folder = ROOT / "data/behaviors" / world
    written = json.loads((folder / "behaviors.json").read_text())
    return OnnxPolicy.open(folder / f"{name}.onnx"), written


def replayed(world: str, name: str, episodes: int, sampled: bool) -> Played:
    opened, written = kept(world, name)
    seeds = yaml.safe_load((ROOT / f"params/behaviors/{world}.yaml").read_text())[
        "seeds"
    ]
    k, width = (
        seeds.index(written["seed"]),
        opened.contract["inputs"]["noise"]["shape"][1],
    )
    draws = [np.random.default_rng([k, e]) for e in range(episodes)]

    def act(moment: Moment) -> Any:
        noise = np.stack([draws[i].standard_normal(width) for i in moment.episode])
        return opened.act(moment.observation, noise if sampled else None)

    return play(load(world).make(episodes), act, range(episodes))


@pytest.mark.parametrize("world", WORLDS)
def test_the_policies_in_git_open_and_fit_their_world(world: str):
    folder, built = ROOT / "data/behaviors" / world, load(world)
    _, written = kept(world, "expert")
    names = written["policies"].keys() - {"random"}
    assert {"expert", "medium"} <= names
    assert {p.stem for p in folder.glob("*.onnx")} == names
    for name in names:
        contract = kept(world, name)[0].contract
        assert contract["world"] == written["world"] == world
        assert contract["env_id"] == written["env_id"] == built.params.env_id
        assert contract["step_seconds"] == pytest.approx(built.step_seconds)
        shape = contract["inputs"]["observation"]["shape"]
        assert shape == ["batch", *built.observation_space.shape]
        action = contract["outputs"]["action"]
        if built.discrete:
            assert action["n"] == built.action_width
        else:
            assert action["high"] == built.action_space.high.tolist()


@pytest.mark.parametrize("world", WORLDS)
def test_medium_lies_in_the_share_its_parameters_ask_for(world: str):
    written = kept(world, "medium")[1]["policies"]
    text = (ROOT / f"params/behaviors/{world}.yaml").read_text("utf-8")
    low, high = yaml.safe_load(text)["medium"]
    floor = written["random"]["return_mean"]
    share = (written["medium"]["return_mean"] - floor) / (
        written["expert"]["return_mean"] - floor
    )
    assert share == pytest.approx(written["medium"]["share"], abs=1e-3)
    assert low <= share <= high


def test_hoppers_expert_hops():
    played = replayed("hopper", "expert", 2, sampled=False)
    assert played.returns.min() >= 2000
    assert kept("hopper", "expert")[1]["policies"]["expert"]["return_mean"] >= 2000


def test_pendulums_expert_balances():
    played = replayed("pendulum", "expert", 20, sampled=True)
    written = kept("pendulum", "expert")[1]["policies"]["expert"]
    assert played.returns.mean() >= -200
    assert played.returns.mean() == pytest.approx(written["return_mean"], abs=5)
