"""Bring data that others recorded: ``python -m tasks.generate.engine.importing``.

    make import SRC=logs.csv NAME=logs [MAP=map.yaml] [WORLD=hopper]
                [OPTIONS="end=truncated clip_actions=true"] [LINK=1] [DRY=1]

Says what the source holds and what will be done with it. Then copies it to
data/sources/NAME, and writes params/dataset/NAME.yaml and params/study/NAME.yaml. The
stage ``import`` makes the dataset of these, as ``make study NAME=NAME`` runs it. Said
again after the source or the options changed, the stage runs again.
"""

import argparse
from pathlib import Path

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import add_name
from tasks.artifacts.nearest import suggestion
from tasks.artifacts.params import build, load
from tasks.artifacts.stage import run_stage
from tasks.generate.engine.importing.options import WHERE, understood
from tasks.generate.engine.importing.report import WORLDS, report
from tasks.generate.engine.importing.sources import check_target, found, place
from tasks.generate.engine.importing.study import Import, check_name_free, write
from tasks.generate.imported.reading import read


def main() -> None:
    """Look, say, and unless asked only to look, copy and write."""
    parser = argparse.ArgumentParser(prog="make import")
    parser.add_argument("--source", required=True, help="a file, folder or Minari id")
    add_name(parser, "--name", required=True, help="of the dataset and its study")
    parser.add_argument("--map", default="", help="a YAML file: what is which column")
    parser.add_argument("--options", default="", help="key=value ...")
    add_name(parser, "--world", default=None, help="of params/world/, that it is for")
    parser.add_argument("--link", action="store_true", help="link instead of copying")
    parser.add_argument("--dry", action="store_true", help="only look")
    told = parser.parse_args()
    source = found(told.source)
    said = understood(told.options, told.map, told.name)
    world = None
    if told.world:
        world = build(load(_world_file(told.world)), f"world {told.world}")
    if told.world and said.world:
        mend = "leave it out, or the world"
        keys = ", ".join(said.world)
        raise RefusedError(WHERE, keys, "said", f"the world {told.world}'s", mend)
    logs, brought = read(source, said.options, world)
    print(report(source, logs, brought, told.world))
    if told.dry:
        print("nothing written, as only a look was asked for")
        return
    made = Import(told.name, source.name, told.world, said.changed, said.world)
    check_name_free(told.name)
    check_target(told.name, source, link=told.link)
    write(
        made,
        logs,
        brought,
        before=lambda: place(told.name, source, link=told.link),
    )
    where = f"data/sources/{told.name}"
    if told.link:
        print(f"{where} is a link: other machines and clones do not have what it is of")
    print(f"wrote params/dataset/{told.name}.yaml and params/study/{told.name}.yaml")
    print(f"now: make study NAME={told.name}")


def _world_file(name: str) -> Path:
    """The file of a world."""
    if not (file := WORLDS / f"{name}.yaml").exists():
        names = [path.stem for path in WORLDS.glob("*.yaml")]
        raise RefusedError("WORLD", name, "no such world", *suggestion(name, names))
    return file


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
