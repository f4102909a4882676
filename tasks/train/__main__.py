"""Train a learner on a dataset: ``python -m tasks.train --dataset D --learner L``.

Writes ``data/policies/<D>/<L>/``: policy.json and policy.safetensors (all seeds
stacked), curves.csv, critic.json and critic.safetensors where the learner leaves its
critics, and the policies of a few moments of the training in ``snapshots/<updates>/``.
With ``--weighting W`` batches are drawn by ``data/weights/<D>/<W>``, and the policy is
called ``<L>-<W>``. Killed and run again, it goes on where it was and ends with the same
bytes.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.curves import CURVES
from tasks.artifacts.files import whole_folder, write_text
from tasks.artifacts.makers import known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.policy import load_policy, save_critic, save_policy
from tasks.artifacts.progress import Progress
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.artifacts.study import Effort
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.train import Learner
from tasks.train.engine.learners import check_kind
from tasks.train.engine.loop import check_precision, identity, resume, settle, train
from tasks.train.engine.processes import Report, interleave, side_by_side, split, stack
from tasks.train.engine.table import spaces
from tasks.weigh import WEIGHTS, Doubles, read_weights
from tasks.worlds.engine.recorded import read_checked

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

CHECKPOINTS = Path(".offcut/checkpoints")


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

    settle()
    params = load()
    block = checked(params, "train", name)
    makers = [made_by("train", name, block)]
    known_dataset(params, dataset, "dataset")
    if weighting:
        its_block = checked(params, "weighting", weighting)
        makers = [_weighted_by(its_block), *makers]
    effort = Effort.of(params.get("study", {}))
    check_precision(effort.precision)
    source = Path("data/datasets") / f"{dataset}-v0"
    output = Path("data/policies") / dataset / policy
    check_place(output)
    data = load_transitions(source)
    check_kind(name, block, data.discrete, dataset)
    world = read_checked(source)
    origin = {
        "seeds": list(effort.seeds),
        "learner": policy,
        "dataset": dataset,
        "dataset_sha256": data.sha256,
        "world": world["world"]["name"],
        "env_id": world["world"]["env_id"],
        "step_seconds": world["step_seconds"],
        "made_by": makers,
    }
    weights = None
    if weighting:
        weights, sha256 = read_weights(WEIGHTS / dataset / weighting, data)
        origin |= {"weighting": weighting, "draws_sha256": sha256}
    whole = _learner(block, name, data, effort, effort.seeds)
    parts = [
        Part(_learner(block, name, data, effort, seeds, weights), block, data, effort)
        for seeds in split(effort.seeds, effort.processes)
    ]
    _train(parts, f"{dataset} {policy}", effort.updates)
    curves = interleave([resume(part.learner, part.checkpoint)[1] for part in parts])
    with whole_folder(output) as folder:
        stack(whole.policy(), [part.learner.policy() for part in parts])
        write_text(folder / CURVES, curves.csv())
        trained = {**origin, "updates": effort.updates}
        save_policy(folder, whole.policy(), trained, CURVES)
        if critic := whole.critic():
            stack(critic, [c for part in parts if (c := part.learner.critic())])
            save_critic(folder, critic, trained)
        for done in effort.moments:
            kept = [load_policy(part.kept / str(done))[0] for part in parts]
            stack(whole.policy(), kept)
            moment = folder / "snapshots" / str(done)
            moment.mkdir(parents=True)
            save_policy(moment, whole.policy(), {**origin, "updates": done})
    for part in parts:
        part.checkpoint.remove()
        shutil.rmtree(part.kept, ignore_errors=True)


def _weighted_by(block: Mapping[str, Any]) -> dict[str, str]:
    """What a policy says of the weighting its batches were drawn by."""
    method = block["_target_"].split(".")[2]  # tasks.weigh.<method>.<class>
    return made_by("weigh", method, block)


def _train(parts: "Sequence[Part]", title: str, updates: int) -> None:
    """Train all parts, side by side if there are several, and show how far they are."""
    with Progress(title, updates, lines=10) as progress:

        def report(done: int, metrics: dict[str, float]) -> None:
            progress(done, "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))

        if len(parts) == 1:
            parts[0].train(report)
        else:
            side_by_side(len(parts), lambda i, say: parts[i].train(say), report)


def _learner(
    block: Mapping[str, Any],
    name: str,
    data: "Transitions",
    effort: Effort,
    seeds: Sequence[int],
    weights: Doubles | None = None,
) -> Learner[Any]:
    """A fresh learner of some of the seeds, which draws its batches by the weights."""
    learner: Learner[Any] = build(
        block, f"train.{name}", spaces=spaces(data), seeds=seeds, updates=effort.updates
    )
    learner.weights = weights
    return learner


class Part:
    """The training of some of the seeds; what it leaves is in its two folders.

    Args:
        learner: A fresh one of these seeds.
        block: Its parameters.
        data: The dataset.
        effort: How much the study trains.

    Attributes:
        checkpoint: The learner's state; in the end, that after the last update.
        kept: Folder of the snapshots' policies.
    """

    def __init__(
        self,
        learner: Learner[Any],
        block: Mapping[str, Any],
        data: "Transitions",
        effort: Effort,
    ) -> None:
        self.learner, self.data, self.effort = learner, data, effort
        key = identity(
            learner,
            {**block, "moments": effort.moments},
            data.sha256,
            effort.updates,
            effort.batch,
            effort.precision,
        )
        self.checkpoint = Checkpoint(CHECKPOINTS / key)
        self.kept = CHECKPOINTS / f"{key}-snapshots"

    def train(self, report: Report) -> None:
        """Train from the checkpoint, if there is one, to the end."""
        train(
            self.learner,
            self.data,
            self.effort.updates,
            self.effort.batch,
            checkpoint=self.checkpoint,
            report=report,
            moments=self.effort.moments,
            keep=self._keep,
            precision=self.effort.precision,
        )

    def _keep(self, done: int) -> None:
        with whole_folder(self.kept / str(done)) as folder:
            save_policy(folder, self.learner.policy(), {})


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
