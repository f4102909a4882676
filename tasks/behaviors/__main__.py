"""Train the behaviour policies of one world: ``python -m tasks.behaviors --world W``.

Writes ``data/behaviors/<world>/``: one ONNX policy a kept checkpoint, and
``behaviors.json`` with the return, steps and hours of each.
"""

import argparse
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch

from tasks.artifacts.files import check_writable, whole_folder, write_json
from tasks.artifacts.names import add_name
from tasks.artifacts.params import Distinct, Params, Range, build, check_known, load
from tasks.artifacts.policy import load_policy, save_policy
from tasks.artifacts.progress import Progress
from tasks.artifacts.stage import run_stage
from tasks.behaviors.engine.exported import write_behavior
from tasks.behaviors.engine.measure import (
    choose,
    measure,
    random_return,
    rising,
    visited,
)
from tasks.code import made_by
from tasks.learn import OnlineLearner
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.nets.feedforward import Feedforward
from tasks.worlds import Floats, World
from tasks.worlds.engine.episodes import Played

# Behaviours belong to no study, so their parameters are read from params/ itself.
FOLDER, WORLDS = Path("params/behaviors"), Path("params/world")
LEARNERS = Path("params/learn")


@dataclass(frozen=True)
class BehaviorParams(Params):
    """How a world's behaviours are trained and chosen.

    Units and ranges stand in params/behaviors/<world>.yaml.

    Attributes:
        seeds: Runs of the learner, in one stack; the best one is kept.
        steps: Environment steps a seed.
        start_steps: Uniformly random steps before the first update.
        batch: Rows an update.
        updates_per_step: Updates an environment step.
        checkpoint_every: Steps between checkpoints.
        early_every: The same in the first ``early_steps`` steps.
        early_steps: Steps in which checkpoints are taken more often.
        episodes: Played to measure a checkpoint.
        replay: Checkpoints kept from the first to the medium one.
        replay_every: Steps between the checkpoints that those of ``replay`` are chosen
            of, so that their returns rise evenly; 0: evenly by steps, of the others.
        medium: Smallest and largest share of the expert's score of the medium one.
    """

    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    steps: Annotated[int, Range(1, 10**9)]
    start_steps: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    updates_per_step: Annotated[float, Range(0, 64, open=True)]
    checkpoint_every: Annotated[int, Range(1, 10**9)]
    early_every: Annotated[int, Range(1, 10**9)]
    early_steps: Annotated[int, Range(0, 10**9)]
    episodes: Annotated[int, Range(1, 10**6)]
    replay: Annotated[int, Range(0, 10**6)]
    replay_every: Annotated[int, Range(0, 10**9)]
    medium: Annotated[tuple[float, ...], Range(0, 1, open=True)]

    def is_checkpoint(self, step: int) -> bool:
        """Whether expert and medium are chosen among policies of this step, too."""
        early = step <= self.early_steps and step % self.early_every == 0
        return early or step % self.checkpoint_every == 0

    def is_saved(self, step: int) -> bool:
        """Whether a policy is saved after a number of steps."""
        dense = self.replay_every > 0 and step % self.replay_every == 0
        return dense or self.is_checkpoint(step)


def learner_of(world: World) -> str:
    """Name of the online learner for the world's kind of actions."""
    return "dqn" if world.discrete else "sac"


def train(
    params: BehaviorParams, world: World, block: dict[str, Any], scratch: Path
) -> dict[int, Path]:
    """Run the online learner and save its policies at each checkpoint.

    Args:
        params: Of the world's behaviours.
        world: Where it learns.
        block: Parameters of the learner.
        scratch: An empty folder for the policies.

    Returns:
        A folder by number of steps, all seeds stacked, in the order of training.
    """
    block = block | {
        "worlds": 1,
        "warm_up": params.start_steps,
        "replay": params.steps,
        "updates_per_step": params.updates_per_step,
    }
    name = learner_of(world)
    learner: OnlineLearner[Any] = build(
        block,
        f"learn.{name}",
        spaces=spaces(world),
        seeds=params.seeds,
        updates=params.steps,
    )
    folders: dict[int, Path] = {}
    begun = time.monotonic()

    def keep(step: int) -> None:
        folder = scratch / f"step-{step:08d}"
        hours = (time.monotonic() - begun) / 3600
        origin = {"step": step, "hours": round(hours, 3), "seeds": params.seeds}
        origin["made_by"] = [made_by("learn", name, block)]
        folder.mkdir(parents=True)
        save_policy(folder, learner.policy(), origin)
        folders[step] = folder

    with Progress(f"{world.params.name} {name}", params.steps) as progress:
        learn(
            learner,
            world,
            params.steps,
            params.batch,
            place=scratch / "run",
            report=lambda done, m: progress(done, f"return {m['return']:.4g}"),
            moments=[s for s in range(1, params.steps + 1) if params.is_saved(s)],
            keep=keep,
        )
    return folders


def export(
    folder: Path,
    name: str,
    checkpoint: Path,
    k: int,
    world: World,
    rows: Floats,
) -> dict[str, Any]:
    """Write one policy as ONNX, if it acts as the torch policy does.

    Args:
        folder: Where to.
        name: Of the file.
        checkpoint: Folder of the policies of all seeds.
        k: Which seed's slice.
        world: Where it acts.
        rows: Observations (count, O) to compare both on.

    Returns:
        What the checkpoint says of the policy: seeds, steps and hours.

    Raises:
        RefusedError: If the actions differ by more than ``BEHAVIOR_TOLERANCE``.
    """
    policy, origin = load_policy(checkpoint)
    about = {
        **origin,
        "world": world.params.name,
        "env_id": world.params.env_id,
        "step_seconds": world.step_seconds,
        "learner": learner_of(world),
    }
    write_behavior(folder / f"{name}.onnx", policy, k, about, rows)
    return origin


def main() -> None:
    """Train, measure and write the behaviours of the world named."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_name(parser, "--world", required=True)
    name = parser.parse_args().world
    check_known(name, [path.stem for path in FOLDER.glob("*.yaml")], "behaviors")
    world: World = build(load(WORLDS / f"{name}.yaml"), f"world.{name}")
    params = BehaviorParams.parse(load(FOLDER / f"{name}.yaml"), f"behaviors.{name}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    out = Path("data/behaviors") / name
    check_writable(out.parent)
    scratch = Path(".offcut/behaviors") / name
    shutil.rmtree(scratch, ignore_errors=True)
    block = load(LEARNERS / f"{learner_of(world)}.yaml")
    folders = train(params, world, block, scratch)
    finish(params, world, folders, out)
    shutil.rmtree(scratch)


def finish(
    params: BehaviorParams, world: World, folders: dict[int, Path], out: Path
) -> None:
    """Measure the checkpoints, choose, and write the behaviour policies.

    Args:
        params: Of the world's behaviours.
        world: Where they act.
        folders: Policies of all seeds, a folder by number of steps.
        out: Folder to write, whole or not at all.
    """
    steps = [step for step in folders if params.is_checkpoint(step)]
    seeds = range(len(params.seeds))
    floor = random_return(world, params.episodes)
    results = [[measured(params, world, folders[s], k) for k in seeds] for s in steps]
    means = np.array([[p.returns.mean() for p in row] for row in results])
    above = means - floor.returns.mean()
    dense = params.replay_every > 0
    k, numbers = choose(above, params.medium, 0 if dense else params.replay)
    kept = {name: (steps[c], results[c][k]) for name, c in numbers.items()}
    if dense:
        kept |= replays(params, world, folders, k, kept["medium"][0], floor)
    rows = visited(world, opened(folders[kept["expert"][0]]), k, 1000)
    best = above[:, k].max()
    entries: dict[str, Any] = {"random": _entry(floor)}
    with whole_folder(out) as folder:
        for name, (step, played) in kept.items():
            origin = export(folder, name, folders[step], k, world, rows)
            entry = _entry(played) | {"step": origin["step"], "hours": origin["hours"]}
            share = (played.returns.mean() - floor.returns.mean()) / best
            entries[name] = entry | {"share": round(float(share), 3)}
            print(name, entries[name], flush=True)
        write_json(
            folder / "behaviors.json",
            {
                "schema": 1,
                "world": world.params.name,
                "env_id": world.params.env_id,
                "seed": params.seeds[k],
                "measured": f"{params.episodes} episodes, start seeds 0.., "
                f"{'greedy' if world.discrete else 'sampled'} actions",
                "policies": entries,
            },
        )


def opened(folder: Path) -> Feedforward:
    """The policies of all seeds at a checkpoint."""
    return cast(Feedforward, load_policy(folder)[0])


def measured(params: BehaviorParams, world: World, folder: Path, k: int) -> Played:
    """Play seed k's policy of a checkpoint."""
    return measure(world, opened(folder), k, params.episodes)


def replays(
    params: BehaviorParams,
    world: World,
    folders: dict[int, Path],
    k: int,
    medium: int,
    floor: Played,
) -> dict[str, tuple[int, Played]]:
    """Choose the checkpoints on the way to medium by evenly rising return.

    Args:
        params: Of the world's behaviours.
        world: Where they act.
        folders: Policies of all seeds, a folder by number of steps.
        k: Which seed's slice.
        medium: Steps of the medium checkpoint.
        floor: Episodes of the random policy.

    Returns:
        Steps and episodes played, by name.
    """
    every = params.replay_every
    steps = [step for step in folders if step <= medium and step % every == 0]
    played = [measured(params, world, folders[step], k) for step in steps]
    above = np.array([p.returns.mean() for p in played]) - floor.returns.mean()
    top = measured(params, world, folders[medium], k).returns.mean()
    chosen = rising(above, top - floor.returns.mean(), params.replay)
    return {f"replay-{i}": (steps[c], played[c]) for i, c in enumerate(chosen)}


def _entry(played: Played) -> dict[str, Any]:
    return {
        "return_mean": round(float(played.returns.mean()), 2),
        "return_std": round(float(played.returns.std()), 2),
        "length_mean": round(float(played.lengths.mean()), 1),
    }


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
