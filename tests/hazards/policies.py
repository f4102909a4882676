"""Policies: policy.json that names code or giants, tensors that are not its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.hazards.case import COMPRESS, EXPORT, Action, Case, Door
from tests.hazards.datasets import WORDS
from tests.hazards.edits import (
    ABSENT,
    COMPRESSED,
    POLICY,
    cut,
    entry,
    flip,
    sha256,
    text,
    write,
)

FOLDERS: dict[Door, Path] = {COMPRESS: POLICY, EXPORT: COMPRESSED}
WIDE = 10**12
# the layers' widths and classes, as policy.json states them
SPEC: dict[str, tuple[Any, ...]] = {
    "schema": (ABSENT, 99, "1", None),
    "file_sha256": (ABSENT, "0" * 64, None, 5),
    "weights_sha256": (ABSENT, "0" * 64, None),
    "statistics_sha256": (ABSENT, "0" * 64),
    "policy": (ABSENT, None, [], "x", 5),
    "policy.class": (
        *(ABSENT, None, 5, "os.system", "tasks.train.bc.BC", "tasks.nets.x.X"),
        *("tasks.nets.layers.Linear", "tasks.nets.graph.Graph", "tasks.nets.."),
        "tasks.artifacts.files.Path",
    ),
    "policy.layers": (ABSENT, None, [], [5], [{}], {}),
    "policy.layers.0.class": ("os.system", "tasks.nets.graph.Graph", None, ABSENT),
    "policy.head": (ABSENT, "softmax", None, 5, []),
    "origin": (ABSENT, None, [], "x"),
    "origin.seeds": (
        ABSENT,
        None,
        [],
        [0],
        [0, 0],
        [0, 1, 2],
        ["0", "1"],
        "01",
    ),
    "origin.made_by": (ABSENT, None, "x", 5),
    "origin.dataset_sha256": (ABSENT, "0" * 64, None),
    "origin.step_seconds": (None, "x", -1),
}
WIDTHS = (0, -1, WIDE, "32", None, 1.5, [], True, 33)
LISTED = {"origin.made_by", "origin.step_seconds"}  # not read before export


def tensors(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> Action:
    """Edit the tensors; policy.json states the new hash of the file."""

    def spoil() -> None:
        file = folder / "policy.safetensors"
        values = load_file(file)
        edit(values)
        save_file(values, file)
        spec = json.loads((folder / "policy.json").read_text("utf-8"))
        spec["file_sha256"] = sha256(file)
        write(folder / "policy.json", spec)

    return spoil


def of_weights(make: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    """An edit of the first matrix."""

    def edit(values: dict[str, Any]) -> None:
        name = next(key for key in sorted(values) if key.endswith("weight"))
        values[name] = np.ascontiguousarray(make(values[name]))

    return edit


TENSORS = {
    "NaN weights": of_weights(lambda w: w * np.nan),
    "infinite weights": of_weights(lambda w: w + np.inf),
    "other weights": of_weights(lambda w: w + 1),
    "weights of another type": of_weights(lambda w: w.astype("i4")),
    "weights of another shape": of_weights(lambda w: w[..., :-1]),
    "a seed less": of_weights(lambda w: w[:1]),
    "no tensors": dict.clear,
    "a tensor more": lambda values: values.update(more=np.zeros(3, "f4")),
}


def keys(layer: dict[str, Any]) -> list[str]:
    """Keys of a layer that hold a whole number."""
    return [k for k, v in layer.items() if isinstance(v, int) and v is not True]


def swapped(file: Path) -> Action:
    """Swap the seeds; a new hash of itself would make it another honest file."""

    def spoil() -> None:
        spec = json.loads(file.read_text("utf-8"))
        spec["origin"]["seeds"].reverse()
        file.write_text(json.dumps(spec), "utf-8")

    return spoil


def width(folder: Path, value: Any) -> Action:
    """Give the first layer another width."""

    def spoil() -> None:
        file = folder / "policy.json"
        spec = json.loads(file.read_text("utf-8"))
        layer = spec["policy"]["layers"][0]
        layer[keys(layer)[-1]] = value
        write(file, spec)

    return spoil


def cases() -> Iterator[Case]:  # noqa: C901, loops alone
    """At the two stages that load a policy."""
    for door, folder in FOLDERS.items():
        file, weights = folder / "policy.json", folder / "policy.safetensors"
        for path, values in SPEC.items():
            if path in LISTED and door is COMPRESS:
                continue
            for value in values:
                name = f"{path} = {value!r:.25}"
                yield Case("policies", name, entry(file, path, value), door)
        swap = swapped(file)
        yield Case("policies", "seeds swapped", swap, door)
        for value in WIDTHS:
            yield Case("policies", f"a width of {value}", width(folder, value), door)
        for name, content in WORDS.items():
            yield Case("policies", f"policy.json: {name}", text(file, content), door)
        for name, edit in TENSORS.items():
            yield Case("policies", name, tensors(folder, edit), door)
        for share in (0.0, 0.01, 0.5, 0.99):
            for spoiled in (file, weights):
                name = f"{spoiled.name}: a bit at {share:.0%}"
                yield Case("policies", name, flip(spoiled, share), door)
        for spoiled in (file, weights):
            yield Case("policies", f"{spoiled.name}: cut", cut(spoiled, 0.7), door)
            yield Case("policies", f"{spoiled.name}: gone", spoiled.unlink, door)
        same = tensors(folder, lambda _: None)
        yield Case("policies", "written again", same, door, True)
        beside = text(folder / "notes.txt", "mine")
        yield Case("policies", "a note beside it", beside, door, True)
