"""Table learners: from trials in a world to a policy of tables, and curves of regret.

Shapes: S trials, N states, A actions, M moments.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.artifacts.curves import CURVES
from tasks.artifacts.cut import POLICIES
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, whole_folder, write_text
from tasks.artifacts.params import build, class_of
from tasks.artifacts.policy import save_policy
from tasks.artifacts.progress import Progress
from tasks.artifacts.study import Effort
from tasks.code import made_by
from tasks.learn import TableLearner, Trials
from tasks.nets.tabular import Table, Tabular
from tasks.train.engine.loop import Curves
from tasks.worlds import World


def is_table(block: Mapping[str, Any], name: str) -> bool:
    """Whether a learner's block names a table learner."""
    return issubclass(class_of(block, f"learn.{name}"), TableLearner)


def learn_tables(
    name: str, block: Mapping[str, Any], world: World, dataset: str, effort: Effort
) -> None:
    """Learn, and write what the stage ``learn`` writes of any learner.

    Args:
        name: The learner's.
        block: Its parameters.
        world: Where it learns.
        dataset: Whose world that is.
        effort: Its seeds, a trial each; its ``updates`` are steps of a trial.

    Raises:
        RefusedError: If the world lacks a capability, parameters are refused, or what
            was learned is not finite.
    """
    steps = effort.updates
    with Progress(f"{dataset} {name}", steps) as progress:
        policy, curves = learned(name, block, world, effort.seeds, steps, progress)
    card = Path("data/datasets") / f"{dataset}-v0" / "card.json"
    origin = {
        "seeds": list(effort.seeds),
        "dataset": dataset,
        "dataset_sha256": read_json(card, "dvc repro")["sha256"],
        "world": world.params.name,
        "env_id": world.params.env_id,
        "step_seconds": world.step_seconds,
        "learner": name,
        # states: that it is a table, whose regret is computed and not played
        "learned": {"steps": steps, "states": policy.table.values.shape[1]},
        "made_by": [made_by("learn", name, block)],
        "updates": steps,
    }
    with whole_folder(POLICIES / dataset / name) as folder:
        write_text(folder / CURVES, curves.csv())
        save_policy(folder, policy, origin, CURVES)


def learned(
    name: str,
    block: Mapping[str, Any],
    world: World,
    seeds: Sequence[int],
    steps: int,
    tell: Callable[[int], None],
) -> tuple[Tabular, Curves]:
    """The policy, all trials stacked, and the curves; as :func:`learn_tables`.

    Args:
        name: As there.
        block: As there.
        world: As there.
        seeds: A trial each.
        steps: Of each trial.
        tell: Called now and then with the steps done.
    """
    more: dict[str, Any] = {"world": world, "seeds": tuple(seeds), "steps": steps}
    learner: TableLearner[Any] = build(dict(block), f"learn.{name}", **more)
    trials = learner.learn(tell)
    if not np.isfinite(trials.values).all():
        mend = "report it: a learner of tables has to stay finite"
        raise RefusedError(name, "values", "infinite or no numbers", "numbers", mend)
    table = Table(*trials.values.shape)
    with torch.no_grad():
        table.values.copy_(torch.from_numpy(trials.values))
    return Tabular(table, learner.exact.sizes), curves_of(trials, seeds)


def curves_of(trials: Trials, seeds: Sequence[int]) -> Curves:
    """One row a moment and trial."""
    columns = np.stack(list(trials.curves.values()), axis=2)  # (M, S, names)
    rows = [
        np.array([step, seed, *columns[m, k]], np.float64)
        for m, step in enumerate(trials.steps)
        for k, seed in enumerate(seeds)
    ]
    return Curves(["update", "seed", *trials.curves], rows)
