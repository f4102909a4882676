"""A dataset in another format: ``python -m tasks.generate.engine.exporting``.

    make export-data NAME=hopper_medium TO=d4rl|d3rlpy|csv|lerobot OUT=folder

The folder must not be there yet. Says what the format does not hold, and the command
that imports what was written.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import MIN_FREE_BYTES, whole_folder
from tasks.artifacts.names import add_name
from tasks.artifacts.stage import run_stage
from tasks.generate.engine.exporting.hdf5 import write_d3rlpy, write_d4rl
from tasks.generate.engine.exporting.lerobot import write_lerobot
from tasks.generate.engine.exporting.table import write_csv
from tasks.generate.engine.exporting.whole import Whole, load

DATASETS = Path("data/datasets")
# each returns what the format does not hold, and the infos that are read back
WRITERS: dict[str, Callable[[Path, Whole], tuple[list[str], list[str]]]] = {
    "d4rl": write_d4rl,
    "d3rlpy": write_d3rlpy,
    "csv": write_csv,
    "lerobot": write_lerobot,
}


def main() -> None:
    """The command.

    Raises:
        RefusedError: If the format is unknown, there is something at the place, or the
            dataset is damaged; then nothing is written.
    """
    parser = argparse.ArgumentParser(prog="make export-data")
    add_name(parser, "--dataset", required=True, help="a name in data/datasets")
    parser.add_argument("--to", required=True, help=", ".join(WRITERS))
    parser.add_argument("--out", required=True, type=Path, help="a new folder")
    asked = parser.parse_args()
    print(exported(DATASETS / f"{asked.dataset}-v0", asked.to, asked.out))


def exported(source: Path, to: str, out: Path) -> str:
    """Write a dataset in another format.

    Args:
        source: The dataset.
        to: Name of the format.
        out: A folder that is not there yet.

    Returns:
        What was written, what was lost and how to import it, in lines.

    Raises:
        RefusedError: If it cannot be done; then nothing is written.
    """
    if to not in WRITERS:
        expected = f"one of {', '.join(WRITERS)}"
        raise RefusedError("export", "TO", f"{to!r:.40}", expected, "name a format")
    if out.exists() or out.is_symlink():
        mend = "name a folder that is not there yet"
        raise RefusedError(out, "OUT", "something there", "nothing", mend)
    data = load(source)
    need = MIN_FREE_BYTES + 4 * sum(episode.nbytes for episode in data.episodes)
    with whole_folder(out, need) as folder:
        lost, infos = WRITERS[to](folder, data)
    steps = sum(len(episode) for episode in data.episodes)
    place = f"SRC={quote(str(out))}"
    if to == "csv":
        files = out / f"{data.name}.csv", out / "map.yaml"
        place = "SRC={} MAP={}".format(*(quote(str(file)) for file in files))
    lines = [f"{out}: {len(data.episodes)} episodes, {steps} steps, as {to}"]
    lines += [f"not held by this format: {'; '.join(lost)}"] if lost else []
    lines += [f'back: make import {place} NAME=... OPTIONS="{data.options(*infos)}"']
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
