"""Train a learner on a dataset: ``python -m tasks.train --dataset D --learner L``.

Writes ``data/policies/<D>/<L>/``: policy.json and policy.safetensors (all seeds
stacked), curves.csv, and the policies of a few moments of the training in
``snapshots/<updates>/``. Killed and run again, it goes on where it was and ends with
the same bytes.
"""

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self

from tasks.artifacts.dataset import load_transitions
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable, read_json, whole_folder, write_text
from tasks.artifacts.params import PARAMS, Params, Range, build, load, pick
from tasks.artifacts.policy import save_policy
from tasks.artifacts.progress import Progress
from tasks.artifacts.stage import run_stage
from tasks.train import Learner
from tasks.train._checkpoint import Checkpoint
from tasks.train._data import spaces
from tasks.train._kinds import check_kind
from tasks.train.engine import identity, settle, train

CHECKPOINTS = Path(".offcut/checkpoints")


@dataclass(frozen=True)
class Effort(Params):
    """What a study says of training."""

    seeds: Annotated[tuple[int, ...], Range(0)]
    updates: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    snapshots: Annotated[int, Range(0)]

    def __post_init__(self) -> None:
        """Also refuse seeds that are none or twice, more snapshots than updates."""
        super().__post_init__()
        if self.snapshots > self.updates:
            raise RefusedError(
                PARAMS,
                "snapshots",
                self.snapshots,
                f"at most one an update, {self.updates}",
                "lower snapshots",
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise RefusedError(
                PARAMS,
                "seeds",
                list(self.seeds),
                "at least one seed, none twice",
                "change seeds",
            )

    @classmethod
    def of(cls, study: Mapping[str, Any]) -> Self:
        """From the block ``study``, which also says what is not of training."""
        named = [field.name for field in fields(cls)]
        return cls.parse({key: study[key] for key in named if key in study}, "study")

    @property
    def moments(self) -> list[int]:
        """Updates done at each snapshot: evenly spaced, the last at the end."""
        n = self.snapshots
        return [self.updates * (i + 1) // n for i in range(n)]


def main() -> None:
    """Command of the stage ``train``."""
    parser = argparse.ArgumentParser(prog="python -m tasks.train", description=__doc__)
    parser.add_argument("--dataset", required=True, help="a name in study.datasets")
    parser.add_argument("--learner", required=True, help="a name in study.learners")
    arguments = parser.parse_args()
    dataset, name = arguments.dataset, arguments.learner

    settle()
    params = load()
    block = pick(params, "train", name)
    pick(params, "dataset", dataset)
    effort = Effort.of(params.get("study", {}))
    source = Path("data/datasets") / f"{dataset}-v0"
    output = Path("data/policies") / dataset / name
    check_writable(output.parent)
    data = load_transitions(source)
    check_kind(name, block, data.discrete, dataset)
    learner: Learner = build(
        block,
        f"train.{name}",
        spaces=spaces(data),
        seeds=effort.seeds,
        updates=effort.updates,
    )
    told = {**block, "moments": effort.moments}
    key = identity(learner, told, data.sha256, effort.updates, effort.batch)
    checkpoint = Checkpoint(CHECKPOINTS / key)
    kept = CHECKPOINTS / f"{key}-snapshots"
    world = read_json(
        source / "world.json", f"python -m tasks.generate --dataset {dataset}"
    )
    origin = {
        "seeds": list(effort.seeds),
        "learner": name,
        "dataset": dataset,
        "dataset_sha256": data.sha256,
        "world": world["world"]["name"],
        "env_id": world["world"]["env_id"],
        "step_seconds": world["step_seconds"],
    }

    def keep(done: int) -> None:
        with whole_folder(kept / str(done)) as folder:
            save_policy(folder, learner.policy(), {**origin, "updates": done})

    with Progress(f"{dataset} {name}", effort.updates, lines=10) as progress:

        def report(done: int, metrics: dict[str, float]) -> None:
            progress(done, "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))

        curves = train(
            learner,
            data,
            effort.updates,
            effort.batch,
            checkpoint=checkpoint,
            report=report,
            moments=effort.moments,
            keep=keep,
        )
    with whole_folder(output) as folder:
        save_policy(folder, learner.policy(), {**origin, "updates": effort.updates})
        write_text(folder / "curves.csv", curves.csv())
        if effort.snapshots:
            shutil.copytree(kept, folder / "snapshots")
    checkpoint.remove()
    shutil.rmtree(kept, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
