"""Files of torch hold code; here nothing but tensors comes out of one."""

import ast
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.adopt.engine.torch_file import tensors_of
from tasks.artifacts.errors import RefusedError
from tests.house import name_of, tracked_in, tree


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def test_tensors_come_out(tmp_path: Path):
    from safetensors.torch import load_file

    weights = {"a": torch.rand(3, 2), "b": torch.arange(4.0)[::2]}
    tensors_of(saved(weights), tmp_path / "t", tmp_path / "z")
    read = load_file(tmp_path / "t")
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (torch.nn.Linear(2, 2), "policy.pth: found"),  # a class that would be imported
        ({"a": [1, 2]}, "which is no named tensor"),
        ([torch.zeros(2)], "no mapping of names"),
        ({}, "no mapping of names"),
        ({"a": torch.zeros(1).expand(10**12)}, "a, larger than the file"),
        ({"a": torch.zeros(4).to_sparse()}, "policy.pth: found"),
    ],
)
def test_anything_else_is_refused(content: Any, words: str, tmp_path: Path):
    refused(saved(content), tmp_path, words)


def test_files_that_are_cut_or_others_are_refused(tmp_path: Path):
    data = saved({"a": torch.zeros(100)})
    refused(data[: len(data) // 2], tmp_path, "no file of torch")
    refused(b"hello", tmp_path, "no file of torch")
    at = data.index(b"ctorch._utils")
    refused(data[:at] + b"cposix" + data[at + 6 :], tmp_path, "policy.pth: found")


def test_a_packed_file_is_refused_before_it_is_opened(tmp_path: Path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("archive/data.pkl", bytes(10**7))
    refused(stream.getvalue(), tmp_path, "packed members")


def test_torch_load_stands_in_one_place():
    """There once, and with ``weights_only=True``."""
    calls = [
        (name_of(path), ast.unparse(node))
        for path in tracked_in("tasks", "flows", "tests", "benchmarks")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load"
    ]
    assert calls == [("tasks/adopt/engine/torch_file.py", "torch.load")]
    source = Path(__file__).parents[2] / calls[0][0]
    call = next(
        node
        for node in ast.walk(tree(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    )
    options = {k.arg: ast.unparse(k.value) for k in call.keywords}
    assert options["weights_only"] == "True"


def refused(data: bytes, tmp_path: Path, words: str) -> None:
    target = tmp_path / "t"
    with pytest.raises(RefusedError, match=words) as error:
        tensors_of(data, target, tmp_path / "z.zip")
    assert "\n" not in str(error.value)
    assert not target.exists()
