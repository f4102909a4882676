"""Weigh a dataset: ``python -m tasks.weigh --dataset D --weighting W``.

Writes ``data/weights/<D>/<W>/``: how likely each transition is to be drawn, and what
that makes of the data. ``python -m tasks.train --weighting W`` draws so, with any
learner.
"""

import argparse
from pathlib import Path
from typing import Any

from tasks.artifacts.makers import known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.recorded import scored_world
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.code.blocks import checked
from tasks.weigh import WEIGHTS, Weighting, figures, write_weights


def main() -> None:
    """Command of the stage ``weigh``; nothing in it is random."""
    parser = argparse.ArgumentParser(prog="python -m tasks.weigh")
    add_name(parser, "--dataset", required=True, help="a name in study.datasets")
    add_name(parser, "--weighting", required=True, help="a name under weighting:")
    arguments = parser.parse_args()
    dataset, name = arguments.dataset, arguments.weighting

    params = load()
    block = checked(params, "weighting", name)
    known_dataset(params, dataset, "dataset")
    weighting: Weighting[Any] = build(block, f"weighting.{name}")
    folder = WEIGHTS / dataset / name
    check_place(folder)
    source = Path("data/datasets") / f"{dataset}-v0"
    data = load_transitions(source)
    world = scored_world(source)
    weights = weighting.weigh(data)
    effect = figures(data, weights, world["ref_min"], world["ref_max"])
    write_weights(
        folder,
        weights,
        {
            "dataset": dataset,
            "dataset_sha256": data.sha256,
            "weighting": name,
            "params": {k: v for k, v in block.items() if k != "_target_"},
            **effect,
        },
    )
    mean = effect["mean_return"]
    print(
        f"{folder}: mean return {mean['uniform']:.1f} -> {mean['weighted']:.1f}, "
        f"effective sample size {effect['effective_sample_size']:.1%} of "
        f"{effect['steps']} transitions"
    )


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
