"""What a user brings, looked at before anything is copied."""

import re
from pathlib import Path
from typing import Any

from tasks.adopt.engine.torch_file import tensors_of
from tasks.adopt.foreign_onnx.graph import open_model
from tasks.adopt.sb3 import TENSORS
from tasks.adopt.sb3.saved import MEND as SB3_MEND
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.artifacts.zip_file import LARGEST, Zip

CLASSES = {
    "sb3": "tasks.adopt.sb3.SB3",
    "foreign_onnx": "tasks.adopt.foreign_onnx.ForeignOnnx",
}
# settings of a trainer's config.yml (RL Zoo) that wrap the environment
WRAPPED = ("frame_stack", "env_wrapper")
STATISTICS = "vecnormalize.pkl"
ACTIONS = {"world", "scaled", "logits", "q"}


def kind_of(path: Path) -> str:
    """The method that reads a file, by its content.

    Raises:
        RefusedError: If it is neither a zip nor an ONNX graph.
    """
    mend = "name the zip that model.save wrote, or an ONNX file"
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise RefusedError(path, "file", found, "a file", mend)
    with path.open("rb") as stream:
        start = stream.read(4)
    if start[:2] == b"PK":
        return "sb3"
    if start[:1] == b"\x80":
        raise RefusedError(path, "content", "a pickle", "no file that holds code", mend)
    open_model(path)
    return "foreign_onnx"


def check_beside(path: Path, method: str, norm: Path | None) -> None:
    """Refuse a policy beside which lies what it needs and was not given.

    Args:
        path: The file.
        method: Which reads it.
        norm: Statistics that were given.

    Raises:
        RefusedError: If data lie outside an ONNX file, a contract lies beside it, or a
            trainer's files say that observations were normalised, and no statistics
            were given, or that the environment was wrapped.
    """
    if method == "foreign_onnx":
        _check_onnx(path)
        return
    configs = [*path.parent.glob("config.yml"), *path.parent.glob("*/config.yml")]
    for config in configs:
        text = config.read_text(encoding="utf-8", errors="replace")[: 2**16]
        for key in WRAPPED:
            if value := setting(text, key):
                expected = "none: observations would be others"
                mend = "train it without, or bring a world that has it inside"
                raise RefusedError(config, key, value, expected, mend)
        if norm is None and (value := setting(text, "normalize")):
            _refuse_unnormalised(config, "normalize", value)
    for pickled in [
        *path.parent.glob(STATISTICS),
        *path.parent.glob(f"*/{STATISTICS}"),
    ]:
        if norm is None:
            _refuse_unnormalised(pickled, "file", "statistics that hold code")


def _refuse_unnormalised(path: Path, field: str, found: str) -> None:
    from tasks.adopt.cores.normaliser import MEND

    expected = "NORM=norm.npz, since a pickle is never opened"
    raise RefusedError(path, field, found, expected, MEND)


def _check_onnx(path: Path) -> None:
    outside = path.with_name(f"{path.name}.data")
    if outside.exists():
        found = "data outside the ONNX file"
        mend = "save it with external_data=False"
        raise RefusedError(outside, "file", found, "all inside", mend)
    contract = path.with_suffix(".json")
    if contract.exists() and '"onnx_sha256"' in contract.read_text(errors="replace"):
        expected = "none: parity, hashes and seed are measured, and never believed"
        mend = "move it away, and say the file's conventions in OPTIONS"
        raise RefusedError(contract, "file", "a contract", expected, mend)


def setting(text: str, key: str) -> str:
    """A setting of a trainer's YAML that is on; empty where it is not.

    The file is looked at as text, as it may name classes to be made.

    Args:
        text: Of the file.
        key: Of the setting.
    """
    pattern = rf"^[\s-]*['\"]?{key}['\"]?\s*(?::|\n\s*-)\s*(\S[^\n]*)"
    match = re.search(pattern, text, re.MULTILINE)
    value = match[1].strip().strip("'\"") if match else ""
    return "" if value.lower() in ("false", "null", "none", "~", "0", "1") else value


def tensors_of_zip(path: Path, folder: Path) -> None:
    """Write tensors.safetensors, of policy.pth of a zip.

    Args:
        path: The zip.
        folder: Where to.
    """
    opened = Zip(path, SB3_MEND)
    tensors_of(opened.read("policy.pth", LARGEST), folder / TENSORS, path)


def block_of(
    method: str, dataset: str, options: str, path: Path, *, beside: bool
) -> dict[str, Any]:
    """The block ``adopted`` of what was said.

    Args:
        method: Which reads the file.
        dataset: Whose rows are used.
        options: ``key=value ...``.
        path: The file, for errors.
        beside: Whether statistics were given.

    Raises:
        RefusedError: If an option is unknown, is said twice or is missing.
    """
    block: dict[str, Any] = {
        "_target_": CLASSES[method],
        "method": method,
        "dataset": dataset,
    }
    said: dict[str, Any] = {}
    for word in options.split():
        key, equals, value = word.partition("=")
        if not equals or key in said:
            found, mend = f"{word:.80}", 'say OPTIONS="key=value ...", each key once'
            raise RefusedError("command line", "OPTIONS", found, "key=value", mend)
        said[key] = value
    if method == "sb3":
        if said:
            found, mend = ", ".join(said), "leave OPTIONS out"
            expected = "none: a zip says what it is"
            raise RefusedError("command line", "OPTIONS", found, expected, mend)
        return block
    return block | _conventions(path, said, beside=beside)


def _conventions(path: Path, said: dict[str, Any], *, beside: bool) -> dict[str, Any]:
    """What was said of an ONNX file; what the file alone decides need not be."""
    graph = open_model(path).graph
    names = {t.name for t in graph.initializer}
    ends = {
        "input": [v.name for v in graph.input if v.name not in names],
        "output": [v.name for v in graph.output],
    }
    for key, values in ends.items():
        if len(values) == 1:
            said.setdefault(key, values[0])
    if beside:
        said.setdefault("normaliser", "beside")
    said.setdefault("clip", "false")
    asked = {
        "input": "|".join(ends["input"]),
        "output": "|".join(ends["output"]),
        "normaliser": "none|inside (or NORM=norm.npz)",
        "action": "world|scaled|logits|q",
        "clip": "true|false",
    }
    for key in (*said, *asked):
        if key not in asked or key not in said:
            found = "an unknown option" if key in said else "nothing"
            expected = " ".join(f"{name}={values}" for name, values in asked.items())
            mend = "a graph says nothing of its conventions: say them in OPTIONS"
            raise RefusedError(path, key, found, f"{expected:.300}", mend)
    if said["clip"] not in ("true", "false"):
        found, mend = said["clip"], "say clip=true or clip=false"
        raise RefusedError(PARAMS, "clip", found, "true or false", mend)
    if beside and said["normaliser"] != "beside":
        found, mend = said["normaliser"], "leave one of them out"
        raise RefusedError(path, "normaliser", found, "NORM alone", mend)
    return {key: said[key] for key in asked} | {"clip": said["clip"] == "true"}
