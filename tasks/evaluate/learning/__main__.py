"""Play snapshots: ``python -m tasks.evaluate.learning --dataset D --learner L``.

Plays the policies that training kept in ``data/policies/<D>/<L>/snapshots/`` and writes
``data/evaluations/<D>/<L>/snapshots/``: ``returns.csv``, a row an episode, and
``metrics.json`` with the last and the best return.
"""

import argparse
import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256, whole_folder, write_text
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.policy import load_policy
from tasks.artifacts.progress import Progress
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.code.blocks import checked
from tasks.evaluate.engine.world import world_of
from tasks.evaluate.learning import COLUMNS, Learning, Returns


def main() -> None:
    """Play the snapshots of one learner and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_name(parser, "--dataset", required=True, help="a name in study.datasets")
    add_name(parser, "--learner", required=True, help="a name in study.curves")
    options = parser.parse_args()
    torch.set_num_threads(1)
    learning: Learning = build(
        checked(load(), "evaluate", "learning"), "evaluate.learning"
    )
    leaf = Path(options.dataset, options.learner)
    out = Path("data/evaluations") / leaf / "snapshots"
    check_place(out)
    world = world_of(options.dataset)
    folders = {int(f.name): f for f in _snapshots(Path("data/policies") / leaf)}
    title, tables = f"{options.dataset} {options.learner} on the way", {}
    with Progress(title, len(folders)) as progress:
        progress(0)
        for update in sorted(folders):
            policy, origin = load_policy(folders[update])
            seeds = _seeds(folders[update], origin, policy.seeds)
            tables[update] = learning.returns(world, policy, folders[update])
            mean = tables[update].mean()
            progress(len(tables), f"update {update}: mean return {mean:.1f}")
    metrics = {
        "schema": 1,
        "dataset": options.dataset,
        "learner": options.learner,
        "seeds": seeds,
        "episodes": learning.params.episodes,
        **learning.summary(tables),
    }
    with whole_folder(out) as folder:
        write_text(folder / "returns.csv", _csv(tables, seeds, learning))
        stated = {"returns_sha256": sha256(folder / "returns.csv")}
        write_sealed(folder / "metrics.json", metrics | stated)
    last, best = metrics["last"]["iqm"], metrics["best"]["iqm"]
    print(f"{title}: return {last:.1f} at the end, {best:.1f} at the best")


def _snapshots(folder: Path) -> list[Path]:
    """Folders of the snapshots of a trained policy.

    Raises:
        RefusedError: If training kept none.
    """
    there = sorted((folder / "snapshots").glob("[0-9]*"))
    folders = [path for path in there if path.name.isdecimal()]
    if not folders:
        raise RefusedError(
            folder / "snapshots",
            "folder",
            "no policies",
            "those of a few moments of the training",
            "set study.snapshots, then run: dvc repro",
        )
    return folders


def _seeds(folder: Path, origin: Mapping[str, Any], count: int) -> list[int]:
    """The training seeds of a snapshot, in the order of its stack.

    Raises:
        RefusedError: If it does not say of each slice which one it is.
    """
    seeds = origin.get("seeds", [])
    if len(seeds) != count or len({*seeds}) != count:
        field, expected = "origin.seeds", f"{count} different ones, one a slice"
        mend = "train it again with: dvc repro"
        raise RefusedError(folder / "policy.json", field, seeds, expected, mend)
    return list(seeds)


def _csv(tables: Mapping[int, Returns], seeds: list[int], learning: Learning) -> str:
    """A row an episode; numbers keep all their digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for update, table in sorted(tables.items()):
        for seed, row in zip(seeds, table, strict=True):
            for episode, value in enumerate(row):
                start = learning.params.start_seed + episode
                writer.writerow([update, seed, episode, start, repr(float(value))])
    return stream.getvalue()


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
