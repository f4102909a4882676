"""The C program computes the actions of onnxruntime."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import offcut
from offcut.__main__ import main
from offcut.c_program import CProgram
from tasks.artifacts.onnx_policy import build_model, contract_of, write_onnx
from tasks.nets.policy import Policy
from tests.artifacts.test_onnx_policy import ORIGIN, restate
from tests.compress.harness import make_compressor, make_policy, make_rows
from tests.nets.diffusions import diffusion
from tests.nets.transformers import transformer

ROOT = Path(__file__).parents[2]
ROWS = 1000
COMPILER = shutil.which("cc") or shutil.which("gcc")
compiled = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


def exported(path: Path, policy: Policy, mode: str = "exact") -> Path:
    write_onnx(path, build_model(policy, 0), contract_of(policy, 0, ORIGIN, mode))
    return path


def both(path: Path, folder: Path, **inputs: NDArray) -> tuple[NDArray, NDArray]:
    """Actions of a file, by onnxruntime and by the program; inputs (1000, width)."""
    policy = offcut.Policy.open(path)
    assert main(["c", str(path), "-o", str(folder / "policy.c")]) == 0
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    words = [COMPILER, *flags, "policy.c", "-o", "policy.so", "-lm"]
    subprocess.run(words, cwd=folder, check=True)
    act = ctypes.CDLL(str(folder / "policy.so")).offcut_act
    expected, _ = policy.act(state=policy.reset(ROWS), **inputs)
    discrete = expected.ndim == 1
    actual = np.zeros_like(expected, np.int32 if discrete else np.float32)
    given = [
        np.ascontiguousarray(inputs[n], np.float32) for n in policy.contract["inputs"]
    ]
    for row in range(ROWS):
        parts = [value[row].ctypes.data_as(ctypes.c_void_p) for value in given]
        out = actual[row:].ctypes.data_as(ctypes.c_void_p)
        act(*parts, out)
    return expected, actual


@compiled
@pytest.mark.parametrize("head", ["tanh", "gaussian", "clip"])
def test_actions_of_floats_are_equal(head: str, tmp_path: Path):
    path = exported(tmp_path / "a.onnx", make_policy((64, 64), head, seeds=(4, 7)))
    inputs = {"observation": make_rows(ROWS).observations.numpy()}
    if head == "gaussian":
        draw = np.random.default_rng(0)
        inputs["noise"] = draw.standard_normal((ROWS, 3), np.float32)
    expected, actual = both(path, tmp_path, **inputs)
    assert np.abs(expected - actual).max() <= 1e-5
    assert np.ptp(expected) > 1


@compiled
def test_discrete_actions_are_equal_and_legal(tmp_path: Path):
    draw = np.random.default_rng(0)
    legal = (draw.random((ROWS, 6)) < 0.5).astype(np.float32)
    legal[:, 2] = 1
    rows = draw.standard_normal((ROWS, 19))
    path = ROOT / "data/behaviors/taxi/expert.onnx"
    expected, actual = both(path, tmp_path, observation=rows, legal=legal)
    assert (expected == actual).mean() >= 0.999  # two logits may be as good as equal
    assert legal[np.arange(ROWS), actual].all()


@compiled
@pytest.mark.parametrize(
    ("name", "mode"), [("gptq4", "exact"), ("int8_static", "native")]
)
def test_weights_of_codes_stay_codes(name: str, mode: str, tmp_path: Path):
    policy = make_policy((64, 64), seeds=(0, 1, 2))
    small = make_compressor(name).compress(policy, make_rows(512))[0]
    path = exported(tmp_path / "a.onnx", small, mode)
    rows = make_rows(ROWS).observations.numpy()
    expected, actual = both(path, tmp_path, observation=rows)
    difference = np.abs(expected - actual).max(axis=1)
    assert "int8_t" in (tmp_path / "policy.c").read_text()
    # a sum at a rounding border may fall into the next code of int8_static
    assert np.quantile(difference, 1.0 if name == "gptq4" else 0.9) <= 1e-5
    assert difference.max() <= 0.05 * 3


@pytest.mark.parametrize(
    ("policy", "match"),
    [
        (transformer, "carry: found actions, observations, return_to_go"),
        (diffusion, "node .*: found"),
        (lambda: make_policy((256, 256)), "size: found .* bytes, expected at most 100"),
    ],
)
def test_others_are_refused_in_one_line(policy, match: str, tmp_path: Path):
    path = exported(tmp_path / "a.onnx", policy())
    with pytest.raises(offcut.RefusedError, match=match) as caught:
        CProgram(offcut.Policy.open(path))
    assert "\n" not in str(caught.value)


def test_no_file_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "policy.c").write_text("mine")
    path = exported(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    assert main(["c", str(path), "-o", str(tmp_path / "policy.c")]) == 1
    assert "policy.c: file: found File exists" in capsys.readouterr().err
    assert (tmp_path / "policy.c").read_text() == "mine"


@compiled
def test_a_contract_cannot_leave_its_comment(tmp_path: Path):
    path = exported(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    restate(path, both=True, variant="*/ #error 1 \n*\\ #error ??/ /* \u2028")
    rows = make_rows(ROWS).observations.numpy()
    expected, actual = both(path, tmp_path, observation=rows)
    assert np.abs(expected - actual).max() <= 1e-5
    assert (tmp_path / "policy.c").read_text().count("*/") == 1
