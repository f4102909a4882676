"""The command: what it reads, writes and refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import tasks.compress.__main__ as command
from tasks.artifacts.files import sha256
from tasks.artifacts.policy import load_policy, save_policy
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.code import made_by
from tests.compress.harness import make_policy, make_rows, same_tensors
from tests.compress.test_transformer import data
from tests.nets.transformers import transformer

PARAMS = Path("params/compress").absolute()
SHA = "cd" * 32
ABOUT = {
    "dataset": "made-up",
    "world": "pendulum",
    "env_id": "Pendulum-v1",
    "step_seconds": 0.05,
}
LEARNER = made_by("train", "bc", {"actor_hidden": [32, 32]})
PENDULUM = {
    "_target_": "tasks.worlds.pendulum.Pendulum",
    "name": "pendulum",
    "env_id": "Pendulum-v1",
    "max_steps": 200,
    "ref_min": -1500.0,
    "ref_max": 0.0,
    "measured": "no",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params, a policy and a dataset's card; rows are made up."""
    blocks = {p.stem: yaml.safe_load(p.read_text()) for p in PARAMS.glob("*.yaml")}
    blocks["distill"] |= {"steps": 10, "rounds": 1, "envs": 1, "visit_steps": 5}
    blocks["distill"] |= {"hidden": [16, 16]}
    blocks["qat4"] |= {"rows": 256, "steps": 10}
    params = {"compress": blocks}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    policy = tmp_path / "data/policies/made-up/bc"
    policy.mkdir(parents=True)
    origin = {"seeds": [0, 1, 2], "learner": "bc", "dataset_sha256": SHA}
    origin |= ABOUT | {"made_by": [LEARNER]}
    save_policy(policy, make_policy((32, 32), observation=3, action=1), origin)
    card = tmp_path / "data/datasets/made-up-v0"
    card.mkdir(parents=True)
    write_sealed(card / "card.json", {"sha256": SHA})
    write_sealed(card / "world.json", {"schema": 2, "world": PENDULUM})

    def load_rows(
        folder: Path, rows: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, None]:
        assert isinstance(generator, np.random.Generator)
        return make_rows(rows, width=3).observations.numpy(), None

    monkeypatch.setattr(command, "load_rows", load_rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, compressor: str, *rest: str) -> int:
    words = ["--dataset", "made-up", "--learner", "bc", "--compressor", compressor]
    monkeypatch.setattr("sys.argv", ["compress", *words, *rest])
    return run_stage(command.main)


@pytest.mark.parametrize("name", ["float32", "int8_static", "gptq4", "qat4", "distill"])
def test_it_writes_the_same_bytes_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    target = place / "data/compressed/made-up/bc" / name
    assert run(monkeypatch, name) == 0
    assert {p.name for p in target.iterdir()} == {
        "policy.json",
        "policy.safetensors",
        "compression.json",
    }
    before = sha256(target)
    assert run(monkeypatch, name) == 0
    assert sha256(target) == before
    policy, origin = load_policy(target)
    assert policy.seeds == 3
    assert origin["dataset_sha256"] == SHA


def test_the_report_says_what_was_done(place: Path, monkeypatch: pytest.MonkeyPatch):
    assert run(monkeypatch, "int8_static") == 0
    folder = place / "data/compressed/made-up/bc/int8_static"
    report = json.loads((folder / "compression.json").read_text())
    assert report["variant"] == report["compressor"] == "int8_static"
    assert report["after"] is None
    assert report["schema"] == 1
    assert report["calibration"] == {
        "dataset": "made-up",
        "sha256": SHA,
        "rows": 2048,
        "what": "activation ranges, percentile 100",
    }
    assert 0 < report["action_error"]["mean"] < report["action_error"]["max"] < 0.5
    keys = {"name", "kind", "shape", "bits", "bits_stored", "bytes", "error"}
    assert keys == set(report["layers"][0])
    stored = sum(layer["bytes"] for layer in report["layers"])
    assert stored == report["bytes_weights"]


def test_float32_keeps_policy_and_actions(place: Path, monkeypatch: pytest.MonkeyPatch):
    assert run(monkeypatch, "float32") == 0
    folder = place / "data/compressed/made-up/bc/float32"
    report = json.loads((folder / "compression.json").read_text())
    assert report["action_error"] == {"mean": 0.0, "max": 0.0}
    before, _ = load_policy(place / "data/policies/made-up/bc")
    after, _ = load_policy(folder)
    assert same_tensors(before, after)


def test_distillation_keeps_to_the_rows_of_logs_without_a_world(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = place / "data/datasets/made-up-v0"
    block = yaml.safe_load((PARAMS.parent / "world/logged.yaml").read_text("utf-8"))
    write_sealed(folder / "world.json", {"schema": 2, "world": block})
    box = {"type": "Box", "dtype": "float32"}
    ends = {n: box | {"shape": [n], "low": [-9] * n, "high": [9] * n} for n in (3, 1)}
    spaces = dict(
        zip(("observation_space", "action_space"), ends.values(), strict=True)
    )
    (folder / "data").mkdir()
    (folder / "data/metadata.json").write_text(
        json.dumps({name: json.dumps(space) for name, space in spaces.items()})
    )
    assert run(monkeypatch, "distill") == 0
    written = place / "data/compressed/made-up/bc/distill/compression.json"
    what = json.loads(written.read_text())["calibration"]["what"]
    assert what.startswith("teacher's actions, 20 updates; on dataset rows alone")


def test_states_it_visits_are_those_of_the_datasets_world(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    assert run(monkeypatch, "qat4") == 0
    written = place / "data/compressed/made-up/bc/qat4/compression.json"
    said = json.loads(written.read_text())["calibration"]
    assert said["rows"] == 256
    assert said["what"].endswith(
        "10 updates; half of them visited by the policy itself"
    )


def test_a_chain_begins_where_the_first_ended(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    assert run(monkeypatch, "distill") == 0
    assert run(monkeypatch, "int8_static", "--after", "distill") == 0
    branch = place / "data/compressed/made-up/bc"
    report = json.loads((branch / "distill-int8_static/compression.json").read_text())
    assert report["variant"] == "distill-int8_static"
    assert report["after"] == "distill"
    first, _ = load_policy(branch / "distill")
    assert report["parameters_before"] == 3 * 16 + 16 + 16 * 16 + 16 + 16 + 1
    after, origin = load_policy(branch / "distill-int8_static")
    blocks = yaml.safe_load(Path("params.yaml").read_text())["compress"]
    makers = [made_by("compress", n, blocks[n]) for n in ("distill", "int8_static")]
    assert origin["made_by"] == [LEARNER, *makers]
    x = torch.randn(3, 20, 3)
    assert (after(x) - first(x)).abs().mean() < 0.05


def test_an_input_that_cannot_be_taken_leaves_the_old_output(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "gptq4") == 0
    assert run(monkeypatch, "structured", "--after", "gptq4") == 1
    assert "found BlockLinear, expected a layer Structured can take" in (
        capsys.readouterr().err
    )
    branch = place / "data/compressed/made-up/bc"
    assert [p.name for p in branch.iterdir()] == ["gptq4"]


def test_a_policy_that_does_not_say_who_made_it_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    source = place / "data/policies/made-up/bc/policy.json"
    spec = json.loads(source.read_text())
    del spec["origin"]["made_by"]
    write_sealed(source, spec)
    assert run(monkeypatch, "float32") == 1
    assert "origin.made_by: found nothing, expected a value" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["int9"], "compress.int9: found an unknown name"),
        (["int8_static", "--after", "distill"], "policy.json: file: found nothing"),
    ],
)
def test_unknown_names_are_refused(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
):
    assert run(monkeypatch, *words) == 1
    assert message in capsys.readouterr().err
    assert not (place / "data/compressed").exists()


def test_a_policy_of_another_dataset_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_sealed(place / "data/datasets/made-up-v0/card.json", {"sha256": "ef" * 32})
    assert run(monkeypatch, "int8_static") == 1
    assert "which the policy was trained on" in capsys.readouterr().err
    assert not (place / "data/compressed").exists()


def test_a_policy_with_a_memory_is_calibrated_on_windows(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    origin = {"seeds": [0, 1], "learner": "bc", "dataset_sha256": SHA, "made_by": []}
    origin |= ABOUT
    save_policy(place / "data/policies/made-up/bc", transformer(), origin)
    monkeypatch.setattr(command, "load_transitions", lambda _: data())
    assert run(monkeypatch, "gptq4") == 0
    folder = place / "data/compressed/made-up/bc/gptq4"
    report = json.loads((folder / "compression.json").read_text())
    rows = yaml.safe_load((PARAMS / "gptq4.yaml").read_text())["rows"]
    assert report["calibration"]["rows"] == max(32, rows // 4)
    assert 0 < report["action_error"]["mean"] < 0.2
    assert load_policy(folder)[0].memory == 3
    assert run(monkeypatch, "structured") == 1
    assert "one Structured can take: Feedforward" in capsys.readouterr().err
