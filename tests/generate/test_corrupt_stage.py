"""The command on another dataset: what it writes, and whom it refuses to ask."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.dataset import load_episodes
from tasks.artifacts.files import sha256
from tasks.artifacts.params import build
from tasks.artifacts.policy import load_critic, save_critic, save_policy
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.generate.__main__ import main
from tasks.train.cores.actor_critic import Critics, trained_critic
from tasks.train.engine.table import spaces
from tests.train import harness

ROOT = Path(__file__).parents[2]


def block(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / f"params/{name}.yaml").read_text())
    return loaded


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project with one played dataset; yields ``run(name, **params)``."""
    monkeypatch.chdir(tmp_path)
    wrong = {**block("generate/corrupt"), "steps": 20, "chunks": 2}
    rollout = block("generate/rollout") | {"policy": "random", "episodes": 2}
    params: dict[str, Any] = {
        "dataset": {
            "tiny": {
                "world": block("world/pendulum"),
                "method": "rollout",
                "generate": rollout | {"steps": None},
            }
        },
        "corruption": {
            "noisy": {"source": "tiny", "generate": wrong},
            "twice": {"source": "noisy", "generate": wrong},
        },
        "attack": {
            "hurt": {
                "source": "tiny",
                "attacker": "edac",
                "generate": wrong | {"mode": "adversarial"},
            }
        },
    }

    def run(name: str, **changes: Any) -> int:
        Path("params.yaml").write_text(yaml.safe_dump(params | changes))
        monkeypatch.setattr(sys, "argv", ["generate", "--dataset", name])
        return run_stage(main)

    run.params = params  # type: ignore[attr-defined]
    assert run("tiny") == 0
    return run


def train_attacker(**origin: Any) -> None:
    """Leave what the stage train leaves of an edac that has not learned yet."""
    data = load_transitions(Path("data/datasets/tiny-v0"))
    params = harness.block("edac", members=3)
    learner = build(params, "train.edac", spaces=spaces(data), seeds=(2, 5), updates=1)
    folder = Path("data/policies/tiny/edac")
    folder.mkdir(parents=True, exist_ok=True)
    about = {"seeds": [2, 5], "dataset_sha256": data.sha256, **origin}
    save_policy(folder, learner.policy(), about)
    save_critic(folder, learner.critic(), about)


@pytest.mark.parametrize("name", ["noisy", "hurt"])
def test_it_writes_the_same_dataset_again(
    name: str, project: Any, capsys: pytest.CaptureFixture[str]
):
    train_attacker()
    assert project(name) == 0
    assert "2 episodes, 400 steps" in capsys.readouterr().out
    folder = Path(f"data/datasets/{name}-v0")
    before = sha256(folder)
    assert project(name) == 0
    assert sha256(folder) == before
    wrong, clean = (
        load_transitions(Path(f"data/datasets/{n}-v0")) for n in (name, "tiny")
    )
    assert wrong.attacked is not None
    hit = wrong.attacked == 1
    assert np.array_equal((wrong.observation != clean.observation).any(1), hit)
    assert np.array_equal(wrong.next_observation, clean.next_observation)
    card = json.loads((folder / "card.json").read_text())["corruption"]
    assert card["source"] == "tiny"
    assert card["source_sha256"] == clean.sha256
    assert ("attacker_sha256" in card) == (name == "hurt")
    if name == "hurt":
        assert card["q"]["mean_after"] < card["q"]["mean_before"]
    worlds = [json.loads((f / "world.json").read_text()) for f in (folder, TINY)]
    for key in ("world", "step_seconds"):
        assert worlds[0][key] == worlds[1][key]
    (of_world, of_method), (of_source, _) = (w["made_by"] for w in worlds)
    assert of_world == of_source
    assert of_method["method"] == "generate.corrupt"
    states = [load_episodes(f)[0][0].infos for f in (folder, TINY)]
    for key, values in states[1].items():  # reset_to still works
        assert np.array_equal(states[0][key], values)


TINY = Path("data/datasets/tiny-v0")


def refused(run: Any, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(name) == 1
    said = capsys.readouterr().err
    assert said.startswith("refused: ")
    assert said.count("\n") == 1
    assert not Path(f"data/datasets/{name}-v0").exists()
    return said


def test_an_attack_asks_only_who_learned_from_its_source(
    project: Any, capsys: pytest.CaptureFixture[str]
):
    assert "critic.json: found nothing" in refused(project, "hurt", capsys)
    train_attacker(dataset_sha256="cd" * 32)
    assert "dataset_sha256: found cdcd" in refused(project, "hurt", capsys)
    train_attacker()
    weights = Path("data/policies/tiny/edac/critic.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "critic.safetensors: sha256" in refused(project, "hurt", capsys)


def test_a_corrupted_source_and_a_missing_one_are_refused(
    project: Any, capsys: pytest.CaptureFixture[str]
):
    assert "noisy-v0/card.json: file: found nothing" in refused(
        project, "twice", capsys
    )
    assert project("noisy") == 0
    assert "noisy, which is corrupted already" in refused(project, "twice", capsys)
    assert "did you mean noisy?" in refused(project, "noise", capsys)
    bad = {"noisy": {"source": "tiny", "sauce": 1, "generate": {}}}
    said = refused(lambda name: project(name, corruption=bad), "noisy2", capsys)
    assert "did you mean noisy?" in said


def test_saved_critics_say_what_the_learners_do(project: Any):
    train_attacker()
    data = load_transitions(TINY)
    critic, origin = load_critic(Path("data/policies/tiny/edac"))
    assert origin["seeds"] == [2, 5]
    learner = build(
        harness.block("edac", members=3),
        "train.edac",
        spaces=spaces(data),
        seeds=(2, 5),
        updates=1,
    )
    o, a = (torch.from_numpy(x[:50]) for x in (data.observation, data.action))
    # EDAC sees observations as they are; its critics take actions in [-1, 1]
    truth = learner.critics(*(x.expand(2, -1, -1) for x in (o, a / 2)))
    values = critic(*(x.expand(2, -1, -1) for x in (o, a)))
    assert values.shape == (2, 3, 50)
    torch.testing.assert_close(values, truth)
    torch.testing.assert_close(critic.alone(1)(o[None], a[None]), truth[1:])
    assert not torch.allclose(truth[0], truth[1])


def test_critics_with_norms_are_not_kept():
    critics = Critics(harness.unit_spaces(), (0,), (4,), norm="after")
    with pytest.raises(ValueError, match="norm after"):
        trained_critic(harness.unit_spaces(), critics)


def test_the_infos_of_an_episode_stay(project: Any):
    assert project("noisy") == 0
    clean, _ = load_episodes(TINY)
    wrong, _ = load_episodes(Path("data/datasets/noisy-v0"))
    assert clean[0].infos.keys() < wrong[0].infos.keys()
    assert dataclasses.replace(wrong[0], infos={}).seed == clean[0].seed
    assert wrong[0].source == clean[0].source
