"""Train a learner on a dataset: ``python -m tasks.train --dataset D --learner L``.

Of a dataset of episodes comes a policy, of one of named arrays a predictor.

Writes ``data/policies/<D>/<L>/``: policy.json and policy.safetensors (all seeds
stacked), curves.csv, critic.json and critic.safetensors where the learner leaves its
critics, and the policies of a few moments of the training in ``snapshots/<updates>/``.
With ``--weighting W`` batches are drawn by ``data/weights/<D>/<W>``, and the policy is
called ``<L>-<W>``. Where the study sweeps the learner, each of its configurations has
such a folder inside, ``data/policies/<D>/<L>/<policy>/``. Killed and run again, it goes
on where it was and ends with the same bytes.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.artifacts.arrays import Arrays, load_arrays
from tasks.artifacts.by_dataset import of_dataset
from tasks.artifacts.cut import POLICIES
from tasks.artifacts.files import whole_folder
from tasks.artifacts.makers import known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import load
from tasks.artifacts.policy import PREDICTOR
from tasks.artifacts.processes import usable_cores
from tasks.artifacts.progress import Progress
from tasks.artifacts.recorded import has_arrays
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.artifacts.study import Effort
from tasks.artifacts.transitions import Transitions
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.code.sweeps import checked_sweep
from tasks.loggers import check_logger
from tasks.train.engine.learners import check_kind, check_reads
from tasks.train.engine.loop import check_precision, settle
from tasks.train.engine.parts import Job, Part, write
from tasks.train.engine.processes import side_by_side
from tasks.weigh import WEIGHTS, read_weights
from tasks.worlds.engine.recorded import read_checked


def main() -> None:
    """Command of the stage ``train``."""
    parser = argparse.ArgumentParser(prog="python -m tasks.train", description=__doc__)
    add_name(parser, "--dataset", required=True, help="a name in study.datasets")
    add_name(parser, "--learner", required=True, help="a name in study.learners")
    add_name(parser, "--weighting", help="a name in study.weighted.weightings")
    arguments = parser.parse_args()
    dataset, name = arguments.dataset, arguments.learner
    weighting = arguments.weighting
    policy = f"{name}-{weighting}" if weighting else name

    check_logger()
    params = load()
    block = of_dataset(checked(params, "train", name), dataset, f"train.{name}")
    makers = []
    known_dataset(params, dataset, "dataset")
    if weighting:
        its_block = checked(params, "weighting", weighting)
        makers = [_weighted_by(its_block)]
    effort = Effort.of(params.get("study", {}))
    effort.check_device()
    settle(effort.device)
    check_precision(effort.precision, effort.device)
    source = Path("data/datasets") / f"{dataset}-v0"
    swept = {} if weighting else checked_sweep(params, name, len(effort.seeds))
    output = POLICIES / dataset / policy
    check_place(output)
    data, told = read_data(source, name, block, arrays=not weighting)
    about = {"seeds": list(effort.seeds), "dataset": dataset, **told}
    weights = None
    if weighting and not isinstance(data, Arrays):
        weights, sha256 = read_weights(WEIGHTS / dataset / weighting, data)
        about |= {"weighting": weighting, "draws_sha256": sha256}
    job = Job(name, block, data, effort, swept or {policy: {}}, weights)
    parts = job.parts()
    train_all([part for some in parts for part in some], f"{dataset} {policy}", effort)

    def origin(policy: str) -> dict[str, Any]:
        numbers = job.tried[policy]
        made = [*makers, made_by("train", name, {**block, **numbers})]
        more = {"swept": numbers} if swept else {}
        return {**about, "learner": policy, "made_by": made, **more}

    with whole_folder(output) as folder:

        def place(policy: str) -> Path:
            inside = folder / policy if swept else folder
            inside.mkdir(exist_ok=True)
            return inside

        for some in parts:
            for line in write(job, some, place, origin):
                print(line)
    for some in parts:
        for part in some:
            part.remove()


def read_data(
    source: Path, name: str, block: Mapping[str, Any], *, arrays: bool
) -> tuple[Transitions | Arrays, dict[str, Any]]:
    """The dataset, which the learner can learn from, and what an origin says of it.

    Args:
        source: Its folder.
        name: Of the learner.
        block: Its block.
        arrays: Whether named arrays will do.
    """
    if arrays and has_arrays(source):
        named = load_arrays(source)
        check_reads(name, block, named)
        return named, {"dataset_sha256": named.sha256, "kind": PREDICTOR}
    data = load_transitions(source)
    dataset = source.name.removesuffix("-v0")
    check_kind(name, block, data.discrete, dataset)
    world = read_checked(source)
    return data, {
        "dataset_sha256": data.sha256,
        "world": world["world"]["name"],
        "env_id": world["world"]["env_id"],
        "step_seconds": world["step_seconds"],
    }


def _weighted_by(block: Mapping[str, Any]) -> dict[str, str]:
    """What a policy says of the weighting its batches were drawn by."""
    method = block["_target_"].split(".")[2]  # tasks.weigh.<method>.<class>
    return made_by("weigh", method, block)


def train_all(parts: Sequence[Part], title: str, effort: Effort) -> None:
    """Train all parts and show how far they are.

    One after the other, or in as many processes at once as the study says.
    """
    with Progress(title, effort.updates) as progress:

        def report(done: int, metrics: dict[str, float]) -> None:
            progress(done, "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))

        if effort.processes > 1 and len(parts) > 1:
            cores = min(effort.processes, usable_cores())
            side_by_side(len(parts), lambda i, say: parts[i].train(say), report, cores)
            return
        for i, part in enumerate(parts):
            before = i * effort.updates

            def of_all(done: int, metrics: dict[str, float], at: int = before) -> None:
                report((at + done) // len(parts), metrics)

            part.train(of_all)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
