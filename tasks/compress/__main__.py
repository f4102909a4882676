"""Compress one policy.

``python -m tasks.compress --dataset D --learner L --compressor C [--after FIRST]``
reads ``data/policies/D/L``, or with ``--after`` what another compressor made of it,
``data/compressed/D/L/FIRST``. It writes ``data/compressed/D/L/C`` (``FIRST-C``):
policy.json, policy.safetensors and compression.json.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.files import whole_folder
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.policy import (
    check_trained_on,
    load_policy,
    makers_of,
    save_policy,
)
from tasks.artifacts.rows import load_rows, load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.artifacts.windows import windows
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.compress import Compressor
from tasks.compress.cores.layer_inputs import acted
from tasks.compress.cores.rows import Rows
from tasks.nets.policy import Logged, Policy

if TYPE_CHECKING:
    from tasks.worlds import World

DRAW = 0  # seed of the draw of calibration and held-out rows


def action_error(before: Policy, after: Policy, rows: Rows) -> dict[str, float]:
    """Difference of the actions in units of half their range: mean and max.

    Of discrete actions the share that changed: the mean over seeds, and of the seed
    that changed most.

    Args:
        before: The input policy.
        after: The compressed one; gaussian heads act without noise, and a policy that
            is played with noise gets the same in both.
        rows: Not those of the calibration.
    """
    situation = rows.situation(before)
    with torch.no_grad():
        now, then = acted(after, situation), acted(before, situation)
        if before.discrete:
            share = (now != then).float().mean(1)  # (S,)
            return {"mean": float(share.mean()), "max": float(share.max())}
        error = (now - then).abs() / before.action_unit
    return {"mean": float(error.mean()), "max": float(error.max())}


def read_rows(
    dataset: str,
    count: int,
    policy: Policy,
    origin: Mapping[str, Any],
    world: "World | None",
) -> tuple[Rows, Rows]:
    """Calibration rows and as many others, held out.

    A policy with a memory sees windows of the episodes, as many as have ``count`` rows
    in all, and at least 32.

    Args:
        dataset: Its name.
        count: Rows of each.
        policy: Who shall be calibrated on them.
        origin: Of the policy; its dataset must be this one.
        world: Where a compressor may visit states; None: nowhere.

    Raises:
        RefusedError: If the dataset is broken or another one.
    """
    folder = Path("data/datasets") / f"{dataset}-v0"
    draw, length = np.random.default_rng(DRAW), policy.memory + 1
    halves: list[tuple[Tensor, Logged | None, Tensor | None]]
    if policy.carry():
        count = max(32, count // length)
        data = load_transitions(folder)
        n = len(data.episode)
        at = draw.choice(n, 2 * count, replace=2 * count > n)
        logged_halves = [windows(data, rows, length) for rows in np.split(at, 2)]
        halves = [(logged.observation[:, -1], logged, None) for logged in logged_halves]
    else:
        drawn, masks = load_rows(folder, 2 * count, draw)
        halves = [
            (
                torch.from_numpy(drawn[half]),
                None,
                None if masks is None else torch.from_numpy(masks[half]),
            )
            for half in (slice(count), slice(count, None))
        ]
    present = check_trained_on(folder, origin)
    seeds = tuple(origin["seeds"])
    calibration, held_out = (
        Rows(observations, dataset, present, seeds, world, logged, legal)
        for observations, logged, legal in halves
    )
    return calibration, held_out


def run(arguments: argparse.Namespace, params: dict[str, Any]) -> Path:
    """Compress and write; returns the folder written."""
    name = arguments.compressor
    block = checked(params, "compress", name)
    compressor: Compressor[Any] = build(block, f"compress.{name}")
    branch = Path(arguments.dataset, arguments.learner)
    source, variant = Path("data/policies") / branch, name
    if arguments.after:
        source = Path("data/compressed") / branch / arguments.after
        variant = f"{arguments.after}-{name}"
    target = Path("data/compressed") / branch / variant
    check_place(target)
    policy, origin = load_policy(source)
    makers = [*makers_of(source, origin), made_by("compress", name, block)]
    world = None
    if compressor.visits_world:
        # here, as most compressors need no simulator
        from tasks.worlds.engine.recorded import recorded_world

        world = recorded_world(Path("data/datasets") / f"{arguments.dataset}-v0")
        world = world if world.playable else None
    count = getattr(compressor.params, "rows", 1000)
    rows, held_out = read_rows(arguments.dataset, count, policy, origin, world)
    small, report = compressor.compress(policy, rows)
    report |= {
        "schema": 1,
        "variant": variant,
        "compressor": name,
        "after": arguments.after,
        "action_error": action_error(policy, small, held_out),
    }
    with whole_folder(target) as folder:
        save_policy(folder, small, {**origin, "made_by": makers})
        write_sealed(folder / "compression.json", report)
    ratio = report["bytes_weights"] / report["bytes_weights_before"]
    error = report["action_error"]["mean"]
    words = f"actions differ by {error:.2g} on average"
    if policy.discrete:
        words = f"{error:.2%} of the actions changed"
    print(
        f"{target}: {report['bytes_weights']} bytes of weights a seed, {ratio:.2f} of "
        f"before; {words}"
    )
    return target


def main() -> None:
    """Read the command line, and compress."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("dataset", "learner", "compressor"):
        add_name(parser, f"--{name}", required=True)
    add_name(parser, "--after", help="a compressor whose result is the input")
    torch.set_num_threads(1)
    run(parser.parse_args(), load())


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
