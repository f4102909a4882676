"""How cases spoil files of the project: each returns what to do in its folder."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import onnx
import yaml
from onnx import helper

from tests.hazards.case import DATASET, Action

FOLDER = Path(f"data/datasets/{DATASET}-v0")
MAIN = FOLDER / "data/main_data.hdf5"
ROWS, INDEX = FOLDER / "rows.bin", FOLDER / "rows.json"
POLICY = Path(f"data/policies/{DATASET}/bc")
COMPRESSED = Path(f"data/compressed/{DATASET}/bc/float32")
ONNX = Path(f"data/onnx/{DATASET}/bc/float32/seed-0.onnx")
SEAL = "self_sha256"  # the key under which a file states the hash of the rest
ABSENT = object()  # as a value: the key is taken away


def parameter(path: str, value: Any) -> Action:
    """Set a dotted key of params.yaml."""

    def spoil() -> None:
        file = Path("params.yaml")
        params = yaml.safe_load(file.read_text("utf-8"))
        put(params, path, value)
        file.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")

    return spoil


def put(block: Any, path: str, value: Any) -> None:
    """Set a dotted key; a part that is a number is a place in a list."""
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in way:
        block = block[part]
    if value is ABSENT:
        del block[last]
    else:
        block[last] = value


def text(file: Path | str, content: str | bytes) -> Action:
    """Replace what a file holds."""
    data = content.encode() if isinstance(content, str) else content

    def spoil() -> None:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(data)

    return spoil


def entry(file: Path, path: str, value: Any) -> Action:
    """Set a dotted key of a JSON file."""

    def spoil() -> None:
        content = json.loads(file.read_text("utf-8"))
        put(content, path, value)
        write(file, content)

    return spoil


def write(file: Path, content: Any) -> None:
    """Write JSON; where it states the hash of itself, the new one."""
    if isinstance(content, dict) and SEAL in content:
        rest = {key: value for key, value in content.items() if key != SEAL}
        text_of_rest = json.dumps(rest, sort_keys=True).encode()
        content = rest | {SEAL: hashlib.sha256(text_of_rest).hexdigest()}
    file.write_text(json.dumps(content), "utf-8")


def flip(file: Path, share: float) -> Action:
    """Flip a bit of the byte that stands at a share of a file's length."""

    def spoil() -> None:
        data = bytearray(file.read_bytes())
        data[int(share * (len(data) - 1))] ^= 0x10
        file.write_bytes(data)

    return spoil


def cut(file: Path, share: float) -> Action:
    """Keep the first part of a file."""

    def spoil() -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(share * len(data))])

    return spoil


def swap(file: Path, make: Callable[[], Any]) -> Action:
    """Take a file away and put something else into its place."""

    def spoil() -> None:
        file.unlink()
        make()

    return spoil


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def restate(changes: Mapping[str, Any] | None = None) -> None:
    """Let the card, and the policy, state the hashes that the dataset's files have."""
    file = FOLDER / "card.json"
    card = json.loads(file.read_text("utf-8")) | (changes or {})
    card["sha256"] = sha256(MAIN)
    card["metadata_sha256"] = sha256(FOLDER / "data/metadata.json")
    write(file, card)
    entry(POLICY / "policy.json", "origin.dataset_sha256", card["sha256"])()


def stored(edit: Callable[[Any], Any]) -> Action:
    """Edit the HDF5 file; the card states its new hash."""

    def spoil() -> None:
        with h5py.File(MAIN, "r+") as file:
            edit(file)
        restate()

    return spoil


def column(name: str, make: Callable[[Any], Any]) -> Action:
    """Replace an array of the first episode by what is made of it."""

    def edit(file: Any) -> None:
        group = file["episode_0"]
        values = group[name][()]
        del group[name]
        group[name] = make(values)

    return stored(edit)


def model(edit: Callable[[onnx.ModelProto], Any], file: Path = ONNX) -> Action:
    """Edit the graph of the first seed; the contract beside it states its new hash."""

    def spoil() -> None:
        graph = onnx.load(file, load_external_data=False)
        edit(graph)
        file.write_bytes(graph.SerializeToString())
        _restate_contract(file)

    return spoil


def contract(path: str, value: Any) -> Action:
    """Set a dotted key of the contract, in the graph and beside it."""

    def spoil() -> None:
        beside = ONNX.with_suffix(".json")
        content = json.loads(beside.read_text("utf-8"))
        put(content, path, value)
        inside = {k: v for k, v in content.items() if k != "onnx_sha256"}
        graph = onnx.load(ONNX)
        del graph.metadata_props[:]
        helper.set_model_props(graph, {"offcut.contract": json.dumps(inside)})
        ONNX.write_bytes(graph.SerializeToString())
        beside.write_text(json.dumps(content), "utf-8")
        if path != "onnx_sha256":
            _restate_contract(ONNX)

    return spoil


def _restate_contract(file: Path) -> None:
    beside = file.with_suffix(".json")
    content = json.loads(beside.read_text("utf-8"))
    content["onnx_sha256"] = sha256(file)
    beside.write_text(json.dumps(content), "utf-8")
