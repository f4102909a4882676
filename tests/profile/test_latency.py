"""Latency and static figures, and the stage's command."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build
from tasks.artifacts.stage import run_stage
from tasks.profile import static
from tasks.profile.__main__ import main
from tasks.profile.latency import _split
from tests.nets.transformers import transformer
from tests.variant_files import (
    DATASET,
    LATENCY,
    LEARNER,
    method,
    onnx_folder,
    policy,
    study,
    world,
    write,
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A study of two seeds and two variants, exported; call it to run the stage."""
    monkeypatch.chdir(tmp_path)
    where = study(tmp_path)
    for variant in ("float32", "int8_static"):
        files = onnx_folder(tmp_path, variant)
        write(files, policy(where, 2, [[0, 0, 1.0]], "gaussian"), where, variant)
    files = onnx_folder(tmp_path, "float32")

    def run(learner: Any = LEARNER) -> Any:
        arguments = ["--dataset", DATASET, "--learner", learner]
        monkeypatch.setattr(sys, "argv", ["profile", *arguments])
        return run_stage(main)

    run.files, run.world = files, where
    run.out = tmp_path / "data/profiles" / DATASET / LEARNER / "float32"
    run.others = run.out.with_name("int8_static")
    return run


def test_static_figures_are_those_of_the_files(place: Any) -> None:
    assert place() == 0
    found = json.loads((place.out / "static.json").read_text())
    sizes = [(place.files / f"seed-{k}.onnx").stat().st_size for k in (0, 1)]
    assert found["bytes_per_seed"] == sizes
    assert found["bytes"] == np.mean(sizes)
    assert found["parameters"] == 3 * 2 + 2
    assert found["operators"]["Gemm"] == 1
    assert found["operators"]["Split"] == 1
    # layer 8, which holds mean and std, scale 1, limits of log std 2
    assert found["initialisers"]["FLOAT"] == 4 * (8 + 1 + 2)
    assert (found["opset"], found["ir"]) == (21, 10)


def test_packed_types_and_scales_are_counted_as_such(tmp_path: Path) -> None:
    """Nine 4-bit codes are five bytes; scales are no parameters."""
    helper = onnx.helper
    nodes = [
        helper.make_node("DequantizeLinear", ["layer0.weight", "layer0.scale"], ["w"])
    ]
    initialisers = [
        helper.make_tensor("layer0.weight", onnx.TensorProto.INT4, [3, 3], [1] * 9),
        helper.make_tensor("layer0.scale", onnx.TensorProto.FLOAT16, [], [0.5]),
        helper.make_tensor("observation_mean", onnx.TensorProto.FLOAT, [3], [0] * 3),
    ]
    output = helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT16, [3, 3])
    graph = helper.make_graph(nodes, "g", [], [output], initialisers)
    path = tmp_path / "seed-0.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    found = static([path])
    assert found["initialisers"] == {"INT4": 5, "FLOAT16": 2, "FLOAT": 12}
    assert found["parameters"] == 9


def test_static_is_the_same_again_and_latency_ordered(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    place()
    first = sha256(place.out / "static.json")
    place()
    assert sha256(place.out / "static.json") == first
    assert "p99" in capsys.readouterr().out
    found = json.loads((place.out / "latency.json").read_text())
    assert sorted(found["batches"]) == ["1", "4"]
    for times in found["batches"].values():
        assert 0 < times["p50_us"] <= times["p99_us"]
    assert (found["threads"], found["mode"], found["seed"]) == (1, "exact", 0)
    assert found["repeats"] == LATENCY["repeats"]
    assert found["onnx_sha256"] == sha256(place.files / "seed-0.onnx")
    assert found["machine"]["cpu"]
    assert (place.others / "static.json").exists()
    assert (place.others / "latency.json").exists()


def test_every_repeat_is_timed(place: Any) -> None:
    """Warm-up is not; variants and batch sizes take turns."""
    profiler = build(method("profile", "latency", **LATENCY), "profile.latency")
    acting = OnnxPolicy.open(place.files / "seed-0.onnx")
    calls = []

    class Session:
        def run(self, outputs: Any, feed: Any) -> Any:
            assert outputs == ["action"]
            calls.append(len(feed["observation"]))
            assert feed["noise"].shape == (calls[-1], 1)

    acting.session = Session()
    measured = profiler.measure({"one": acting, "other": acting})
    assert sorted(measured) == ["one", "other"]
    each = LATENCY["repeats"] + LATENCY["warm_up"]
    assert calls.count(1) == calls.count(4) == 2 * each
    assert calls[8:88] == ([1] * 10 + [4] * 10) * 4
    assert _split(10, 4) == [2, 3, 2, 3]


def test_wrong_hash_and_missing_file_are_refused(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = place.files / "seed-1.onnx"
    file.write_bytes(file.read_bytes() + b"\0")
    assert place() == 1
    assert "seed-1.onnx: sha256" in capsys.readouterr().err
    file.unlink()
    assert place() == 1
    assert "python -m tasks.export" in capsys.readouterr().err
    assert not place.out.exists()


def test_wrong_variant_and_unknown_learner_are_refused(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place.files, policy(place.world, 2, [[0, 0, 1]]), place.world, "f", seed=1)
    assert place() == 1
    assert "variant: found f" in capsys.readouterr().err
    assert place(f"{LEARNER}x") == 1
    assert f"did you mean {LEARNER}?" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"batches": [0]}, {"repeats": 1}, {"threads": 0}])
def test_bad_parameters_are_refused(changes: Any) -> None:
    with pytest.raises(RefusedError, match=f"profile.latency.{next(iter(changes))}"):
        build(method("profile", "latency", **changes), "profile.latency")


def test_a_policy_that_carries_is_timed_with_its_carry(tmp_path: Path) -> None:
    where = world("pendulum")
    made = transformer(seeds=(0,))
    path = write(tmp_path, made, where, "float32")[0]
    profiler = build(method("profile", "latency", **LATENCY), "profile.latency")
    measured = profiler.measure({"float32": OnnxPolicy.open(path)})
    assert measured["float32"]["batches"]["4"]["p50_us"] > 0
    assert static([path])["parameters"] == sum(p.numel() for p in made.parameters())
