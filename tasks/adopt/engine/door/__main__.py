"""Take in a policy that was trained elsewhere; ``make adopt`` runs it.

    python -m tasks.adopt.engine.door --name N (--world W | --dataset D)
        [--norm norm.npz] [--replay rows.npz] [--options "key=value ..."] FILE

Looks at what is in the file, not at its name: a zip of Stable-Baselines3 or an ONNX
graph. Reads it whole, compares it with the world, says what it is, and then writes

| file | |
|---|---|
| ``data/sources/N/`` | a copy, tracked by DVC; the user's file is left as it is |
| ``params/adopt/N.yaml`` | how it is read |
| ``params/study/N.yaml`` | a study of it and what compressors make of it |
| with a world: ``data/behaviors/W/N.onnx`` | the same policy, to make experience with |
| with a world: ``params/dataset/N.yaml`` | that experience |

A study or dataset of that name that is there already is left as it is.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tasks.adopt import Adoption
from tasks.adopt.cores.normaliser import FILE as NORMALISER
from tasks.adopt.cores.spaces import Spaces
from tasks.adopt.engine import written
from tasks.adopt.engine.brought import block_of, check_beside, kind_of, tensors_of_zip
from tasks.adopt.engine.source import (
    REPLAY,
    SOURCES,
    STATED,
    origin_of,
    read_source,
    seal,
)
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder
from tasks.artifacts.names import add_name
from tasks.artifacts.params import build, check_known, load
from tasks.artifacts.stage import run_stage
from tasks.behaviors.engine.exported import write_behavior
from tasks.behaviors.engine.measure import visited
from tasks.code import made_by
from tasks.worlds import World
from tasks.worlds.engine.behaviors import BEHAVIORS

WORLDS = Path("params/world")


def main() -> None:
    """Read, compare, say, write."""
    parser = argparse.ArgumentParser(prog="make adopt", description=__doc__)
    add_name(parser, "--name", required=True)
    where = parser.add_mutually_exclusive_group(required=True)
    add_name(where, "--world", help="a name of params/world/")
    add_name(where, "--dataset", help="a dataset that has been made")
    for option in ("--norm", "--replay"):
        parser.add_argument(option, type=Path, help="an npz file")
    parser.add_argument("--options", default="", help="key=value ..., of an ONNX file")
    parser.add_argument("file", type=Path)
    said = parser.parse_args()
    check_free(said.name, said.world)
    method = kind_of(said.file)
    check_beside(said.file, method, said.norm)
    world = world_of(said.world) if said.world else None
    dataset = said.dataset or said.name
    folder = Path("data/datasets") / f"{dataset}-v0"
    spaces = Spaces.of_world(world) if world else Spaces.of_dataset(folder)[0]
    beside = said.norm is not None
    block = block_of(method, dataset, said.options, said.file, beside=beside)
    adoption: Adoption[Any] = build(block, f"adopted.{said.name}")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / said.name
        source.mkdir()
        shutil.copyfile(said.file, source / adoption.file)
        for path, name in ((said.norm, NORMALISER), (said.replay, REPLAY)):
            if path is not None:
                copy_plain(path, source / name)
        if method == "sb3":
            tensors_of_zip(source / adoption.file, source)
        seal(source, said.file.name)
        policy, about = read_source(source, adoption, spaces)
        layers = " x ".join(str(layer.outputs) for layer in policy.layers)
        print(
            f"{said.file}: {about['format']}, {spaces.observation} observations to "
            f"{layers}, {policy.activation} between, {policy.head} head; "
            f"{about['verified']}"
        )
        group = written.group_of(said.dataset) if said.dataset else "dataset"
        behavior = Path(scratch) / f"{said.name}.onnx"
        if world:
            origin = origin_of(said.name, spaces, "online", "", about)
            origin["made_by"] = [made_by("adopt", method, block)]
            rows = visited(world, policy, 0, 1000)
            write_behavior(behavior, policy, 0, origin, rows)
        with whole_folder(SOURCES / said.name) as place:
            shutil.copytree(source, place, dirs_exist_ok=True)
        if world:
            print(f"wrote {add_behavior(behavior, world)}")
    text = about["format"]
    for path in written.write(said.name, said.world, dataset, group, block, text):
        print(f"wrote {path}")
    written.track(SOURCES / said.name)
    print(f"wrote {SOURCES / said.name}.dvc; next: make study NAME={said.name}")


def check_free(name: str, world: str | None) -> None:
    """Refuse a name that something else has.

    Raises:
        RefusedError: If a learner, a source that is no policy, or a behaviour of the
            world that was made here has it.
    """
    mend = "choose another name"
    source = SOURCES / name
    taken = [(Path("params/train") / f"{name}.yaml", "a learner")]
    if source.exists() and not (source / STATED).exists():
        taken.append((source, "another source, or yours"))
    if not (Path("params/adopt") / f"{name}.yaml").exists():
        taken.append((Path("params/dataset") / f"{name}.yaml", "a dataset"))
        if world:
            taken.append((BEHAVIORS / world / f"{name}.onnx", "a behaviour"))
    for path, what in taken:
        if path.exists():
            raise RefusedError(path, "name", f"{name}, {what}", "a new name", mend)


def world_of(name: str) -> World:
    """The world of a name of params/world/."""
    check_known(name, [path.stem for path in WORLDS.glob("*.yaml")], "world")
    world: World = build(load(WORLDS / f"{name}.yaml"), f"world.{name}")
    return world


def copy_plain(path: Path, target: Path) -> None:
    """Copy a file the user named.

    Raises:
        RefusedError: If there is none.
    """
    if not path.is_file():
        raise RefusedError(path, "file", "nothing", "a file", "name one that is there")
    shutil.copyfile(path, target)


def add_behavior(path: Path, world: World) -> Path:
    """Put a behaviour and its contract among those of a world."""
    folder = BEHAVIORS / world.params.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in (path.with_suffix(".json"), path):
        shutil.copyfile(file, folder / file.name)
    return folder / path.name


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
