"""Files of every kind are hardly larger than their weights, and in few nodes."""

import numpy as np
import pytest

from benchmarks.onnx_kinds import made
from tasks.artifacts.onnx_check import check_model
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.compress.engine.measures import stored_bytes

HASH = "0123456789abcdef" * 4
ORIGIN = {
    **dict.fromkeys(("world", "env_id", "dataset", "learner"), "some"),
    **dict.fromkeys(("dataset_sha256", "weights_sha256", "statistics_sha256"), HASH),
    "seeds": [0],
    "step_seconds": 0.008,
    "made_by": [],
}


# of each kind its nodes, and bytes above those of its weights: a layer, and the rest
@pytest.mark.parametrize(
    ("kind", "nodes", "a_layer", "rest"),
    [
        ("float32", 6, 60, 180),
        ("float32, 2x256", 6, 60, 180),
        ("float32, clip", 6, 60, 240),
        ("float32, gaussian", 11, 60, 420),
        ("float32, categorical with mask", 8, 60, 360),
        ("float32, ResNet", 20, 20, 240),
        ("distill, 2x16", 6, 60, 180),
        ("int8_static", 24, 370, 240),
        ("gptq4", 11, 140, 320),
        ("quest, 1 bit", 69, 760, 700),
        ("quest, 2 bits", 69, 760, 700),
        ("quest, 4 bits", 67, 720, 700),
        ("adadfq, 3 bits", 41, 110, 1700),
    ],
)
def test_a_file_is_its_weights_and_little_else(
    kind: str, nodes: int, a_layer: int, rest: int
):
    policy = made(kind)
    model = build_model(policy, 0)
    assert len(model.graph.node) == nodes
    layers = len(policy.linears())
    above = len(model.SerializeToString()) - stored_bytes(policy)
    assert above <= layers * a_layer + rest
    again = build_model(made(kind), 0)
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(("kind", "a_call"), [("float32", 12), ("ptq4dm", 60)])
def test_a_sampler_adds_no_weights(kind: str, a_call: int):
    """A call is a few nodes, whose weights are there already."""
    name = {"float32": "float32, diffusion of 5 calls", "ptq4dm": "ptq4dm, 5 calls"}
    policy = made(name[kind])
    nodes = len(build_model(policy, 0).graph.node)
    assert nodes <= 30 + policy.calls * a_call


def test_a_contract_takes_few_bytes_and_says_as_much(tmp_path):
    policy = made("float32")
    contract = contract_of(policy, 0, ORIGIN, "exact")
    model = build_model(policy, 0)
    path = tmp_path / "seed-0.onnx"
    write_onnx(path, model, contract)
    plain = len(model.SerializeToString())
    assert path.stat().st_size - plain <= 0  # the model holds it now
    inside = model.metadata_props[0].value
    assert " " not in inside
    assert len(inside) < 700
    opened = OnnxPolicy.open(path)
    check_model(path, path.read_bytes(), opened.contract)
    assert opened.act(np.zeros((2, 11))).shape == (2, 3)
