"""Weigh a dataset: ``python -m tasks.weigh --dataset D --weighting W``.

Writes ``data/weights/<D>/<W>/``: how likely each transition is to be drawn, and what
that makes of the data. ``python -m tasks.train --weighting W`` draws so, with any
learner.
"""

import argparse
from pathlib import Path
from typing import Any

from tasks.artifacts.dataset import load_transitions
from tasks.artifacts.files import check_writable, read_entry
from tasks.artifacts.makers import known_dataset
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.stage import run_stage
from tasks.weigh import WEIGHTS, Weighting, figures, write_weights


def main() -> None:
    """Command of the stage ``weigh``; nothing in it is random."""
    parser = argparse.ArgumentParser(prog="python -m tasks.weigh")
    parser.add_argument("--dataset", required=True, help="a name in study.datasets")
    parser.add_argument("--weighting", required=True, help="a name under weighting:")
    arguments = parser.parse_args()
    dataset, name = arguments.dataset, arguments.weighting

    params = load()
    block = pick(params, "weighting", name)
    known_dataset(params, dataset, "dataset")
    weighting: Weighting[Any] = build(block, f"weighting.{name}")
    folder = WEIGHTS / dataset / name
    check_writable(folder.parent)
    source = Path("data/datasets") / f"{dataset}-v0"
    data = load_transitions(source)
    command = f"python -m tasks.generate --dataset {dataset}"
    low, high = (
        read_entry(source / "world.json", command, f"world.{end}", float)
        for end in ("ref_min", "ref_max")
    )
    weights = weighting.weigh(data)
    effect = figures(data, weights, low, high)
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
