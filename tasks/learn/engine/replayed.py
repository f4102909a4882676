"""What an online learner did as a dataset: ``python -m tasks.learn.engine.replayed``.

    --dataset D --policy P --seed K --out FOLDER

P is a policy of stage ``learn`` whose learner had ``record: true``. Its actions are
played again in the world of D, so that the episodes have all that other datasets have,
such as the simulator's state. FOLDER must not be there yet; ``make import`` takes it
into a study. The steps of each world lie one after the other, world by world; an
episode that the run's end cut short is truncated.

Shapes: T steps of all worlds, N worlds, A action.
"""

import argparse
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.cut import POLICIES
from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.names import add_name
from tasks.artifacts.policy import load_policy, makers_of
from tasks.artifacts.stage import run_stage
from tasks.code import made_by
from tasks.generate.engine.recorder import Recorder
from tasks.learn.engine.actions import read_actions
from tasks.learn.engine.worlds import Worlds
from tasks.worlds import Actions, World
from tasks.worlds.engine.recorded import read_checked, recorded_world


class Repeated:
    """A behaviour that does at each step what it is told before.

    Attributes:
        now: The actions of all worlds, as the world takes them.
    """

    noise_width = 0
    now: Actions

    def actions(self, observation: Any, noise: Any, legal: Any = None) -> Actions:
        """What it was told."""
        del observation, noise, legal
        return self.now


def replayed(
    world: World, seed: int, actions: NDArray[np.float32], name: str
) -> tuple[list[Episode], NDArray[np.float32]]:
    """Play a run's actions again.

    Args:
        world: Where it was.
        seed: The run's.
        actions: (T, N, A), in [-1, 1] or one-hot.
        name: Who acted.

    Returns:
        The episodes, world by world, and the last observation of each world (N, O).
    """
    count = actions.shape[1]
    worlds = Worlds(world, (seed,), count)
    book, behavior = Recorder(worlds.env, count, 0), Repeated()
    every: list[list[Episode]] = [[] for _ in range(count)]
    book.number[:] = 0
    book.first(np.ones(count, bool))
    for step in actions:
        behavior.now = worlds.executed(step)
        starts = worlds.starts()
        terminated, truncated = book.step(behavior)  # type: ignore[arg-type]
        ended = terminated | truncated
        for i in map(int, np.flatnonzero(ended)):
            every[i].append(book.take(i, bool(terminated[i]), starts[i], name))
            book.begin(i, 0, np.zeros((1, 0)))
        if ended.any():
            worlds.episode[ended] += 1
            worlds.env.reset(seed=worlds.starts(), options={"reset_mask": ended})
            book.first(ended)
    starts, last = worlds.starts(), worlds.env.observation
    for i in map(int, np.flatnonzero(book.at)):
        every[i].append(book.take(i, False, starts[i], name))
    worlds.env.close()
    return list(chain(*every)), last.reshape(count, -1).astype(np.float32)


def main() -> None:
    """The command.

    Raises:
        RefusedError: If there is something at the place, nothing was recorded, or the
            world does not repeat itself; then nothing is written.
    """
    prog = "python -m tasks.learn.engine.replayed"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    add_name(parser, "--dataset", required=True, help="that the run was of")
    add_name(parser, "--policy", required=True, help="that the run left")
    parser.add_argument("--seed", required=True, type=int, help="of the run")
    parser.add_argument("--out", required=True, type=Path, help="a new folder")
    asked = parser.parse_args()
    out: Path = asked.out
    if out.exists():
        mend = "name another folder"
        raise RefusedError(out, "out", "a file or folder", "nothing there", mend)
    source, folder = (
        Path(f"data/datasets/{asked.dataset}-v0"),
        POLICIES / asked.dataset / asked.policy,
    )
    about, world = read_checked(source), recorded_world(source)
    _, origin = load_policy(folder)
    sealed = sha256(source / "world.json")
    actions, end = read_actions(folder, asked.seed, sealed)
    name = f"{asked.policy} of seed {asked.seed}, while it learned"
    episodes, found = replayed(world, asked.seed, actions, name)
    if not np.array_equal(found, end):
        raise RefusedError(
            f"world {world.params.name}",
            "observation",
            "another one than before, after the same starts and actions",
            "a world that repeats itself",
            "mend the world, or let it learn again",
        )
    inside = out / f"{asked.dataset}-{asked.policy}-{asked.seed}-v0"
    block = about["world"]
    made = [made_by("worlds", block["name"], block), *makers_of(folder, origin)]
    write_dataset(inside, inside.name, episodes, world, block, made_by=made)
    print(  # noqa: T201, a command prints
        f"{inside}: {len(episodes)} episodes, {sum(map(len, episodes))} steps\n"
        f"take it in with: make import SRC={quote(str(inside))} NAME=..."
    )


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
