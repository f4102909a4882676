"""The command of the stage: what it writes, and what it refuses."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.policy import load_critic, load_policy
from tasks.artifacts.sealed import write_sealed
from tasks.code import made_by
from tests.variant_files import WORLDS

from . import harness


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty project with params.yaml and a dataset; yields ``run(*arguments)``."""
    monkeypatch.chdir(tmp_path)
    study = {"seeds": [3, 1], "updates": 20, "batch": 8, "snapshots": 0}
    study |= {"precision": "float32", "processes": 1, "device": "cpu"}
    params = {
        "study": study,
        "dataset": {"tiny": {}},
        "train": {name: harness.block(name) for name in ("bc", "iql", "edac")},
    }
    params["train"]["mine"] = harness.block("bc")  # no method's name
    Path("params.yaml").write_text(yaml.safe_dump(params))
    source = Path("data/datasets/tiny-v0")
    source.mkdir(parents=True)
    world = WORLDS["pendulum"]
    card = {"schema": 2, "world": world, "step_seconds": 0.02}
    write_sealed(source / "world.json", card)
    fake = ModuleType("tasks.artifacts.rows")
    fake.load_transitions = lambda _: harness.transitions()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tasks.artifacts.rows", fake)
    monkeypatch.delitem(sys.modules, "tasks.train.__main__", raising=False)

    def run(*arguments: str) -> None:
        from tasks.train.__main__ import main

        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        main()

    yield run
    sys.modules.pop("tasks.train.__main__", None)


def test_command_writes_policy_and_curves(
    project: Any, capsys: pytest.CaptureFixture[str]
):
    project("--dataset", "tiny", "--learner", "iql")
    folder = Path("data/policies/tiny/iql")
    names = {"policy.json", "policy.safetensors", "curves.csv"}
    assert {file.name for file in folder.iterdir()} == names
    assert {file.name for file in folder.parent.iterdir()} == {"iql"}
    policy, origin = load_policy(folder)
    assert policy.seeds == 2
    reached = origin.pop("horizon")
    assert reached["share"] == pytest.approx(20 * 0.005 * 0.01)
    assert "UNDERTRAINED" in capsys.readouterr().out
    assert origin == {
        "seeds": [3, 1],
        "learner": "iql",
        "dataset": "tiny",
        "dataset_sha256": "ab" * 32,
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "step_seconds": 0.02,
        "updates": 20,
        "made_by": [made_by("train", "iql", harness.block("iql"))],
    }
    curves = (folder / "curves.csv").read_text().splitlines()
    assert curves[0] == (
        "update,seed,value_loss,critic_loss,actor_loss,value,target_kurtosis,tail_share"
    )
    assert len(curves) == 41
    assert not list(Path(".offcut/checkpoints").iterdir())


def test_critics_are_kept_whatever_processes_trained_them(project: Any):
    """Side by side or in one stack; they are told apart by their seed alone."""
    folder = Path("data/policies/tiny/edac")
    project("--dataset", "tiny", "--learner", "edac")
    names = {"policy.json", "policy.safetensors", "critic.json", "critic.safetensors"}
    assert {file.name for file in folder.iterdir()} == names | {"curves.csv"}
    critic, origin = load_critic(folder)
    assert origin == load_policy(folder)[1]
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["study"]["processes"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    project("--dataset", "tiny", "--learner", "edac")
    again, _ = load_critic(folder)
    o, a = torch.ones(2, 1, harness.O), torch.ones(2, 1, harness.A)
    torch.testing.assert_close(critic(o, a), again(o, a), atol=1e-5, rtol=0)
    assert not torch.allclose(critic(o, a)[0], critic(o, a)[1], atol=1e-4)


def test_snapshots_are_the_policies_of_their_moments(project: Any):
    """The one at the end is the policy; one half way is that of half the updates."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["study"]["snapshots"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    project("--dataset", "tiny", "--learner", "bc")
    folder = Path("data/policies/tiny/bc")
    kept = folder / "snapshots"
    assert {f.name for f in kept.iterdir()} == {"10", "20"}
    whole = (folder / "policy.safetensors").read_bytes()
    assert (kept / "20/policy.safetensors").read_bytes() == whole
    half, origin = load_policy(kept / "10")
    assert origin["updates"] == 10
    params["study"] |= {"snapshots": 0, "updates": 10}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    project("--dataset", "tiny", "--learner", "bc")
    alone, _ = load_policy(folder)
    assert not kept.exists()
    for name, tensor in alone.state_dict().items():
        assert tensor.equal(half.state_dict()[name]), name
    assert not list(Path(".offcut/checkpoints").iterdir())


def test_command_twice_writes_the_same_bytes(project: Any):
    hashes = []
    for _ in range(2):
        project("--dataset", "tiny", "--learner", "bc")
        hashes.append(sha256(Path("data/policies/tiny/bc")))
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({}, ("tiny", "iqll"), "train.iqll: found an unknown name.*did you mean iql?"),
        ({}, ("tini", "iql"), "dataset.tini: found .*did you mean tiny?"),
        (
            {},
            ("tiny", "mine"),
            r"train\.mine: found mine, of the class 'tasks\.train\.bc",
        ),
        ({"batch": 0}, ("tiny", "bc"), "study.batch: found 0, expected"),
        ({"snapshots": 21}, ("tiny", "bc"), "snapshots: found 21, .* 20"),
        ({"precision": "half"}, ("tiny", "bc"), "precision: found 'half', .*bfloat16"),
        ({"seeds": [1, 1]}, ("tiny", "bc"), "study.seeds: found .*none twice"),
        ({"seeds": []}, ("tiny", "bc"), "study.seeds: found .*1 to 1000 entries"),
        ({"updates": 2.5}, ("tiny", "bc"), "updates: found 2.5, expected whole number"),
    ],
)
def test_command_refuses_before_it_writes(
    project: Any, change: dict[str, Any], arguments: tuple[str, str], words: str
):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["study"] |= change
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(RefusedError, match=words):
        project("--dataset", arguments[0], "--learner", arguments[1])
    assert not Path("data/policies").exists()


def test_bfloat16_is_refused_without_instructions_for_it(
    project: Any, monkeypatch: pytest.MonkeyPatch
):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    params = yaml.safe_load(Path("params.yaml").read_text())
    project("--dataset", "tiny", "--learner", "bc")  # float32 needs none
    params["study"]["precision"] = "bfloat16"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    old = sha256(Path("data/policies"))
    with pytest.raises(RefusedError, match=r"study\.precision: found bfloat16.*CPU"):
        project("--dataset", "tiny", "--learner", "bc")
    assert sha256(Path("data/policies")) == old


def test_a_refused_training_keeps_the_old_output(
    project: Any, monkeypatch: pytest.MonkeyPatch
):
    project("--dataset", "tiny", "--learner", "iql")
    old = sha256(Path("data/policies/tiny/iql"))
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["train"]["iql"]["critic_rate"] = 1.0
    params["train"]["iql"]["discount"] = 1.0
    params["study"]["updates"] = 400
    Path("params.yaml").write_text(yaml.safe_dump(params))
    huge = harness.transitions(reward=np.full(96, 1e35, np.float32))
    monkeypatch.setattr("tasks.train.__main__.load_transitions", lambda _: huge)
    with pytest.raises(RefusedError, match=r"train\.iql: .* not finite at update"):
        project("--dataset", "tiny", "--learner", "iql")
    assert sha256(Path("data/policies/tiny/iql")) == old
    assert {file.name for file in Path("data/policies/tiny").iterdir()} == {"iql"}


def test_a_table_by_dataset_gives_the_datasets_own_value(project: Any) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["train"]["iql"]["beta"] = {"default": 3.0, "tiny": 7.0}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    project("--dataset", "tiny", "--learner", "iql")
    made = load_policy(Path("data/policies/tiny/iql"))[1]["made_by"]
    own = harness.block("iql") | {"beta": 7.0}
    assert made[-1] == made_by("train", "iql", own)
