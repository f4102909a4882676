"""The exporter and its command: files that act as the network, or none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml

import tasks.export.__main__ as command
from tasks.artifacts.files import read_json, sha256, write_json
from tasks.artifacts.onnx_policy import KEY, OnnxPolicy
from tasks.artifacts.params import build
from tasks.artifacts.parity import TOLERANCE
from tasks.artifacts.policy import save_policy, statistics_sha256, weights_sha256
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.code import made_by
from tasks.nets.feedforward import Feedforward
from tests.compress.harness import make_compressor, make_policy, make_rows
from tests.nets.transformers import transformer

CARD = Path("data/datasets/swings-v0/card.json")
SEEDS = (4, 7)
LEAF = Path("swings/bc/float32")
BLOCK = yaml.safe_load(Path("params/export/feedforward.yaml").read_text("utf-8"))
WORLD = yaml.safe_load(Path("params/world/pendulum.yaml").read_text("utf-8"))


@pytest.fixture
def place(folder: Path) -> Path:
    """Its params ask for both seeds and all variants."""
    parameters()
    return folder


def parameters(**changes: Any) -> None:
    names = {"datasets": ["swings"], "learners": ["bc"], "policies": ["bc"]}
    variants = ["float32", "int8_static", "gptq4"]
    study = {**names, "seeds": list(SEEDS), "variants": variants}
    params = {"study": study, "export": {"feedforward": BLOCK | changes}}
    Path("params.yaml").write_text(yaml.safe_dump(params))


def policy(head: str = "tanh", hidden: tuple[int, ...] = (32, 32)) -> Feedforward:
    return make_policy(hidden, head, SEEDS, observation=3, action=1)


def save(
    made: Feedforward,
    variant: str = "float32",
    mode: str = "exact",
    makers: Sequence[dict[str, str]] = (),
) -> Path:
    """Where the stage before would have left it."""
    folder = Path("data/compressed") / LEAF.with_name(variant)
    folder.mkdir(parents=True, exist_ok=True)
    origin = {
        "seeds": list(SEEDS),
        "learner": "bc",
        "dataset": "swings",
        "dataset_sha256": read_json(CARD, "")["sha256"],
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "step_seconds": 0.05,
        "made_by": makers,
    }
    save_policy(folder, made, origin)
    write_json(folder / "compression.json", {"schema": 1, "mode": mode})
    return folder


def run(monkeypatch: pytest.MonkeyPatch, variant: str = "float32") -> int:
    words = ["--dataset", "swings", "--learner", "bc", "--variant", variant]
    monkeypatch.setattr("sys.argv", ["export", *words])
    return run_stage(command.main)


@pytest.mark.parametrize("head", ["tanh", "gaussian"])
@pytest.mark.parametrize("variant", ["float32", "int8_static", "gptq4"])
def test_every_kind_of_policy_passes(
    place: Path, monkeypatch: pytest.MonkeyPatch, head: str, variant: str
):
    made, report = make_compressor(variant).compress(
        policy(head), make_rows(width=3, seeds=SEEDS)
    )
    save(made, variant, report["mode"])
    assert run(monkeypatch, variant) == 0
    out = Path("data/onnx") / LEAF.with_name(variant)
    assert sorted(p.name for p in out.iterdir()) == [
        "README.md",
        *(f"seed-{k}.{kind}" for k in SEEDS for kind in ("json", "onnx")),
    ]
    card = (out / "README.md").read_text()
    assert card.startswith(f"# bc / {variant}\n\nA policy for `Pendulum-v1`, ")
    assert 'onnxruntime.InferenceSession("seed-4.onnx", options)' in card
    rows = 2 * np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    wanted = made(torch.from_numpy(rows).expand(2, -1, -1))
    for k, seed in enumerate(SEEDS):
        opened = OnnxPolicy.open(out / f"seed-{seed}.onnx")
        assert opened.mode == report["mode"]
        np.testing.assert_allclose(opened.act(rows), wanted[k], rtol=0, atol=1e-4)
        assert opened.contract["parity"]["rows"] == 1024 + 3 * 4 + 256


def test_a_policy_that_carries_is_followed_on_the_dataset(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    made = transformer(SEEDS)
    made.action_scale.fill_(1.5)
    save(made)
    assert run(monkeypatch) == 0
    opened = OnnxPolicy.open(Path("data/onnx") / LEAF / "seed-7.onnx")
    assert opened.contract["parity"]["rows"] == (1 + 2 + 7 + 17 + 17) * 64
    assert opened.contract["parity"]["max"] <= 1e-4
    assert opened.contract["carry"]["observations"] == {
        "shape": ["batch", 3, 3],
        "reset": 0.0,
    }


def test_the_contract_is_complete_and_the_same_inside_and_beside(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    made = policy("gaussian")
    save(made)
    assert run(monkeypatch) == 0
    path = Path("data/onnx") / LEAF / "seed-7.onnx"
    beside = read_json(path.with_suffix(".json"), "")
    assert beside.pop("onnx_sha256") == sha256(path)
    inside = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(inside[KEY]) == beside
    parity = beside.pop("parity")
    assert (parity["batches"], parity["tolerance"]) == ([1, 2, 7, 17], 1e-4)
    assert 0 <= parity["p99"] <= parity["max"] <= 1e-4
    assert beside == {
        "schema": 1,
        "inputs": {
            "observation": {"shape": ["batch", 3], "dtype": "float32"},
            "noise": {"shape": ["batch", 1], "dtype": "float32"},
        },
        "outputs": {"action": {"shape": ["batch", 1], "low": [-2.0], "high": [1.0]}},
        "carry": {},
        "step_seconds": 0.05,
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "dataset": {"name": "swings", "sha256": read_json(CARD, "")["sha256"]},
        "learner": "bc",
        "variant": "float32",
        "made_by": [],
        "seed": 7,
        "weights_sha256": weights_sha256(made),
        "statistics_sha256": statistics_sha256(made),
        "opset": 21,
        "ir": 10,
        "mode": "exact",
    }


def test_another_parameter_of_the_learner_changes_its_hash_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    contracts = []
    for rate in (1e-3, 2e-3):
        learner = made_by("train", "bc", {"actor_rate": rate})
        chain = [learner, *(made_by("compress", n, {}) for n in ("distill", "gptq4"))]
        save(policy(), makers=chain)
        assert run(monkeypatch) == 0
        contracts.append(read_json(Path("data/onnx") / LEAF / "seed-4.json", ""))
    first, second = contracts
    assert [maker["method"] for maker in first["made_by"]] == [
        "train.bc",
        "compress.distill",
        "compress.gptq4",
    ]
    assert first["made_by"][1:] == second["made_by"][1:]
    learners = [contract.pop("made_by")[0] for contract in contracts]
    assert learners[0].pop("params_sha256") != learners[1].pop("params_sha256")
    assert learners[0] == learners[1]
    assert first.pop("onnx_sha256") != second.pop("onnx_sha256")
    assert first == second


def test_the_parameters_state_the_gate_s_own_tolerance():
    assert BLOCK["tolerance"] == TOLERANCE


def test_one_other_mean_is_told_from_other_weights(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    found = []
    for mean, weight in ((0.0, 0.0), (1e-3, 0.0), (0.0, 1e-3), (0.0, 0.0)):
        made = policy()
        made.observation_mean[1] += mean
        made.layers[0].weight[0, 0, 0] += weight
        save(made)
        assert run(monkeypatch) == 0
        found.append(read_json(Path("data/onnx") / LEAF / "seed-4.json", ""))
    first, statistics, weights, again = found
    assert again == first
    for key, normaliser, network in (
        ("statistics_sha256", True, False),
        ("weights_sha256", False, True),
        ("onnx_sha256", True, True),
    ):
        assert (statistics[key] != first[key]) == normaliser, key
        assert (weights[key] != first[key]) == network, key


def drop_the_mean(model: onnx.ModelProto) -> None:
    """The first layer's bias holds it."""
    (bias,) = (t for t in model.graph.initializer if t.name == "l0.b")
    bias.raw_data = bytes(len(bias.raw_data))


@pytest.mark.parametrize("old", [True, False])
def test_a_failed_gate_writes_nothing(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: bool,
):
    """The second seed's file fails, so the first one's does not appear either."""
    out = Path("data/onnx") / LEAF
    save(policy())
    if old:
        assert run(monkeypatch) == 0
        before = sha256(out)
    exporter = build(BLOCK, "export.feedforward")
    model = type(exporter).model

    def broken(self: Any, made: Feedforward, k: int) -> onnx.ModelProto:
        graph = model(self, made, k)
        if k == 1:
            drop_the_mean(graph)
        return graph

    monkeypatch.setattr(type(exporter), "model", broken)
    capsys.readouterr()
    assert run(monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith("refused: data/onnx/swings/bc/float32/seed-7.onnx: parity")
    assert error.count("\n") == 1
    assert out.exists() == old
    if old:
        assert sha256(out) == before
    assert [p.name for p in Path("data/onnx/swings/bc").iterdir()] == ["float32"] * old


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 999}, "rows: found 999, expected [1000, 1e+06]"),
        ({"tolerance": 0.0}, "tolerance: found 0.0, expected (0, 0.1)"),
        ({"tolerance": 0.1}, "tolerance: found 0.1, expected (0, 0.1)"),
        ({"tolerence": 1e-4}, "tolerence: found an unknown key"),
    ],
)
def test_parameters_out_of_range_are_refused(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    message: str,
):
    save(policy())
    parameters(**changes)
    assert run(monkeypatch) == 1
    assert f"export.feedforward.{message}" in capsys.readouterr().err
    assert not Path("data/onnx").exists()


def test_bad_inputs_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch) == 1
    assert "policy.json: file: found nothing" in capsys.readouterr().err
    folder = save(policy())
    weights = folder / "policy.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert run(monkeypatch) == 1
    assert "policy.safetensors: sha256: found" in capsys.readouterr().err
    assert run(monkeypatch, "float31") == 1
    assert "did you mean float32?" in capsys.readouterr().err
    assert not Path("data/onnx").exists()


def test_a_policy_of_another_dataset_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    file = save(policy()) / "policy.json"
    origin = (spec := read_json(file, ""))["origin"] | {"dataset_sha256": "0" * 64}
    write_sealed(file, spec | {"origin": origin})
    assert run(monkeypatch) == 1
    assert f"{'0' * 64}, which the policy was trained on" in capsys.readouterr().err
    assert not Path("data/onnx").exists()
