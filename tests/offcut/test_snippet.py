"""The snippet under a file runs as it is printed, and acts as the runtime does."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import offcut
from offcut.snippet import snippet
from tasks.artifacts.onnx_policy import build_model, contract_of, write_onnx
from tests.artifacts.test_onnx_policy import ORIGIN
from tests.compress.harness import make_compressor, make_policy, make_rows
from tests.nets.diffusions import diffusion
from tests.nets.transformers import transformer

TAXI = Path(__file__).parents[2] / "data/behaviors/taxi/expert.onnx"
KINDS = ("plain", "integers", "noise", "carry", "mask")


def file_of(kind: str, folder: Path) -> Path:
    if kind == "mask":
        return TAXI
    mode, made = "exact", make_policy()
    if kind == "integers":
        made, report = make_compressor("int8_static").compress(made, make_rows())
        mode = report["mode"]
    elif kind != "plain":
        made = {"noise": diffusion, "carry": transformer}[kind]()
    origin = ORIGIN | {"seeds": [0, 1, 2]}
    path = folder / "a.onnx"
    write_onnx(path, build_model(made, 0), contract_of(made, 0, origin, mode))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_it_acts_as_the_runtime(kind: str, tmp_path: Path):
    path = file_of(kind, tmp_path)
    policy = offcut.Policy.open(path)
    text = snippet(str(path), policy.contract)
    once, each = text.split("inputs = {")
    place: dict[str, Any] = {}
    exec(once, place)  # noqa: S102
    state, draw = policy.reset(), np.random.default_rng(0)
    for _ in range(3):
        exec("inputs = {" + each, place)  # noqa: S102
        noise = policy.contract["inputs"].get("noise")
        given = {}
        if noise:
            width = noise["shape"][1]
            given["noise"] = draw.standard_normal((1, width), np.float32)
        rows = place["inputs"]["observation"]
        expected, state = policy.act(rows, state, **given)
        assert np.allclose(place["action"], expected, rtol=0, atol=1e-6)
    for name, value in state.carry.items():
        assert np.array_equal(place["carry"][name], value)
    assert ("carry" in once, "draw" in once) == (kind == "carry", kind == "noise")
    assert ("disable_quant_qdq" in once) == (policy.contract["mode"] == "exact")


def test_the_whole_of_it_runs_and_is_short(tmp_path: Path):
    path = file_of("plain", tmp_path)
    text = snippet(str(path), offcut.Policy.open(path).contract)
    place: dict[str, Any] = {}
    exec(text, place)  # noqa: S102
    assert place["action"].shape == (1, 3)
    assert sum(bool(line) for line in text.splitlines()) == 10
    assert "action = session.run" in text
    assert "# (1, 3), from -2 to 1" in text


def test_names_in_a_contract_stay_text(tmp_path: Path):
    path = file_of("carry", tmp_path)
    contract = offcut.Policy.open(path).contract
    bad = '"]; import os\n"'
    spoilt = {
        **contract,
        "inputs": {**contract["inputs"], bad: {"shape": ["batch", 1]}},
        "carry": {bad: {"shape": ["batch", 2], "reset": 0.5}},
    }
    tree = ast.parse(snippet(f"{bad}.onnx", spoilt))
    imported = [n.names[0].name for n in tree.body if isinstance(n, ast.Import)]
    assert imported == ["numpy", "onnxruntime"]
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    assert texts.count(bad) == 2
    assert f"next_{bad}" in texts
