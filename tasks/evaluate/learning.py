"""The score on the way: ``python -m tasks.evaluate.learning --dataset D --learner L``.

Plays the policies that training kept in ``data/policies/<D>/<L>/snapshots/`` and writes
``data/evaluations/<D>/<L>/snapshots/``: ``returns.csv``, a row an episode, and
``metrics.json`` with the last and the best return, as CORL reports them: they differ a
lot. Best is the mean over seeds of each seed's best moment. It was chosen on the very
episodes it is reported on, and without a world nobody could have chosen it, so it
flatters.

These are the trained networks themselves, all seeds in one stack; what is shipped is
the ONNX file, which the stage ``evaluate`` plays.
"""

import argparse
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder, write_json, write_text
from tasks.artifacts.params import Params, Range, build, load, pick
from tasks.artifacts.policy import load_policy
from tasks.artifacts.progress import Progress
from tasks.artifacts.stage import run_stage
from tasks.evaluate._noise import Noise
from tasks.evaluate._world import world_of
from tasks.evaluate.returns import STARTS
from tasks.evaluate.statistics import interval, iqm
from tasks.nets.policy import Policy
from tasks.worlds import Floats, World
from tasks.worlds.episodes import Moment, play

Returns = NDArray[np.float64]
COLUMNS = ("update", "seed", "episode", "start_seed", "return")


@dataclass(frozen=True)
class LearningParams(Params):
    """See params/evaluate/learning.yaml for units and ranges."""

    episodes: Annotated[int, Range(1)]
    start_seed: Annotated[int, Range(0, STARTS - 1)]
    confidence: Annotated[float, Range(0, 1, open=True)]
    resamples: Annotated[int, Range(100)]
    resample_seed: Annotated[int, Range(0)]


class Learning:
    """See the module.

    Args:
        params: The method's parameters.
    """

    Parameters = LearningParams

    def __init__(self, params: LearningParams) -> None:
        self.params = params

    def returns(self, world: World, policy: Policy) -> Returns:
        """Undiscounted returns (S, E) of all slices of a policy.

        It acts with the noise it wants, see ``Policy.acting``. Every slice plays the
        same start seeds; all episodes of all slices are stepped together.
        """
        seeds, episodes = policy.seeds, self.params.episodes
        starts = self.params.start_seed + np.arange(episodes)
        actor = _Actor(policy, starts)
        batch = world.make(seeds * episodes)
        played = play(batch, actor, [int(s) for s in np.tile(starts, seeds)])
        batch.close()
        return played.returns.reshape(seeds, episodes)

    def summary(self, tables: Mapping[int, Returns]) -> dict[str, Any]:
        """Last and best return: mean and iqm over seeds x episodes, interval of it.

        Args:
            tables: (S, E) by the number of updates done.
        """
        stack = np.stack([tables[update] for update in sorted(tables)])  # (U, S, E)
        best = stack.mean(axis=2).argmax(axis=0)  # (S,)
        chosen = stack[best, np.arange(stack.shape[1])]
        moments = [sorted(tables)[i] for i in best]
        return {
            "last": self._figures(stack[-1]),
            "best": {**self._figures(chosen), "updates": moments},
        }

    def _figures(self, table: Returns) -> dict[str, Any]:
        p = self.params
        low, high = interval(
            table,
            iqm,
            np.random.default_rng(p.resample_seed),
            resamples=p.resamples,
            confidence=p.confidence,
            seeds=True,
        )
        middle = float(iqm(table.ravel()))
        each = [float(row.mean()) for row in table]
        return {
            "mean": float(table.mean()),
            "iqm": middle,
            "low": low,
            "high": high,
            "per_seed": each,
        }


class _Actor:
    """All slices of a policy act at once, whichever of their episodes still run.

    Rows of ended episodes are computed too and thrown away: the stack's shape stays.
    """

    def __init__(self, policy: Policy, starts: NDArray[np.int64]) -> None:
        self.policy, self.episodes = policy, len(starts)
        episodes = self.episodes
        count = policy.seeds * episodes
        self.inputs = {
            name: np.zeros((count, width), np.float32)
            for name, width in policy.inputs().items()
        }
        if "legal" in self.inputs:
            self.inputs["legal"][:] = 1
        self.noise = None
        if "noise" in self.inputs and policy.acting == "normal":
            self.noise = Noise(starts.tolist(), policy.inputs()["noise"])
        self.carry = {
            name: torch.full((policy.seeds, episodes, *entry.shape), entry.reset)
            for name, entry in policy.carry().items()
        }

    def __call__(self, moment: Moment) -> Floats:
        """Actions (L, A), or (L,) of a discrete policy."""
        seeds = self.policy.seeds
        for name in self.inputs.keys() - {"noise"}:
            self.inputs[name][moment.episode] = getattr(moment, name)
        if self.noise is not None:
            self.inputs["noise"][:] = np.tile(self.noise(moment.step), (seeds, 1))
        shape = (seeds, self.episodes, -1)
        given = {k: torch.from_numpy(v).view(shape) for k, v in self.inputs.items()}
        with torch.no_grad():
            outputs, self.carry = self.policy.step(given, self.carry)
        actions: Floats = outputs["action"].flatten(0, 1).numpy()[moment.episode]
        return actions


def main() -> None:
    """The stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="a name in study.datasets")
    parser.add_argument("--learner", required=True, help="a name in study.curves")
    given = parser.parse_args()
    torch.set_num_threads(1)
    learning: Learning = build(
        pick(load(), "evaluate", "learning"), "evaluate.learning"
    )
    world, leaf = world_of(given.dataset), Path(given.dataset, given.learner)
    folders = {int(f.name): f for f in _kept(Path("data/policies") / leaf)}
    title, tables = f"{given.dataset} {given.learner} on the way", {}
    with Progress(title, len(folders)) as progress:
        for update in sorted(folders):
            policy, origin = load_policy(folders[update])
            tables[update] = learning.returns(world, policy)
            mean = tables[update].mean()
            progress(len(tables), f"update {update}: mean return {mean:.1f}")
    metrics = {
        "schema": 1,
        "dataset": given.dataset,
        "learner": given.learner,
        "seeds": origin["seeds"],
        "episodes": learning.params.episodes,
        **learning.summary(tables),
    }
    with whole_folder(Path("data/evaluations") / leaf / "snapshots") as folder:
        write_text(folder / "returns.csv", _csv(tables, origin["seeds"], learning))
        write_json(folder / "metrics.json", metrics)
    last, best = metrics["last"]["iqm"], metrics["best"]["iqm"]
    print(f"{title}: return {last:.1f} at the end, {best:.1f} at the best")


def _kept(folder: Path) -> list[Path]:
    """Folders of the snapshots.

    Raises:
        RefusedError: If training kept none.
    """
    found = sorted((folder / "snapshots").glob("[0-9]*"))
    if not found:
        raise RefusedError(
            folder / "snapshots",
            "folder",
            "no policies",
            "those of a few moments of the training",
            "set study.snapshots, then run: dvc repro",
        )
    return found


def _csv(tables: Mapping[int, Returns], seeds: list[int], learning: Learning) -> str:
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
