"""Compress one policy.

``python -m tasks.compress --dataset D --learner L --compressor C [--after FIRST]``
reads ``data/policies/D/L``, or with ``--after`` what another compressor made of it,
``data/compressed/D/L/FIRST``. It writes ``data/compressed/D/L/C`` (``FIRST-C``):
policy.json, policy.safetensors and compression.json.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.dataset import load_rows
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, whole_folder, write_json
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.policy import load_policy, save_policy
from tasks.artifacts.stage import run_stage
from tasks.compress import Compressor, Rows
from tasks.nets.feedforward import Feedforward

DRAW = 0  # seed of the draw of calibration and held-out rows


def action_error(
    before: Feedforward,
    after: Feedforward,
    rows: Tensor,
    legal: Tensor | None = None,
) -> dict[str, float]:
    """Difference of the actions in units of half their range: mean and max.

    Of discrete actions the share that changed: the mean over seeds, and of the seed
    that changed most.

    Args:
        before: The input policy.
        after: The compressed one; gaussian heads act without noise.
        rows: (N, O), units of the world; not those of the calibration.
        legal: (N, A), the mask there; None allows all.
    """
    with torch.no_grad():
        stacked = rows.expand(before.seeds, -1, -1)
        if before.discrete:
            mask = None if legal is None else legal.expand(before.seeds, -1, -1)
            other = after(stacked, legal=mask) != before(stacked, legal=mask)
            share = other.float().mean(1)  # (S,)
            return {"mean": float(share.mean()), "max": float(share.max())}
        error = (after(stacked) - before(stacked)).abs() / before.action_scale
    return {"mean": float(error.mean()), "max": float(error.max())}


def read_rows(
    dataset: str, count: int, sha256: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Calibration rows and as many others, held out, with their legal actions.

    Args:
        dataset: Its name.
        count: Rows of each.
        sha256: Of the dataset the policy was trained on.

    Raises:
        RefusedError: If the dataset is broken or another one.
    """
    folder = Path("data/datasets") / f"{dataset}-v0"
    draw = np.random.default_rng(DRAW)
    drawn, masks = load_rows(folder, 2 * count, draw)
    rows = torch.from_numpy(drawn)
    found = read_json(folder / "card.json", "dvc repro")["sha256"]
    if found != sha256:
        raise RefusedError(
            folder / "card.json",
            "sha256",
            found,
            f"{sha256}, which the policy was trained on",
            "train it again with: dvc repro",
        )
    legal = None if masks is None else torch.from_numpy(masks[count:])
    return rows[:count], rows[count:], legal


def run(given: argparse.Namespace, params: dict[str, Any]) -> Path:
    """Compress and write; returns the folder written."""
    name = f"compress.{given.compressor}"
    block = pick(params, "compress", given.compressor)
    compressor: Compressor = build(block, name)
    branch = Path(given.dataset, given.learner)
    source = Path("data/policies") / branch
    variant = given.compressor
    if given.after:
        source = Path("data/compressed") / branch / given.after
        variant = f"{given.after}-{given.compressor}"
    policy, origin = load_policy(source)
    if not isinstance(policy, Feedforward):
        raise RefusedError(
            source / "policy.json",
            "class",
            type(policy).__name__,
            f"one {given.compressor} can take: Feedforward",
            "leave this compressor out of study.compressors",
        )
    world = None
    if compressor.roams:
        about = Path("data/datasets") / f"{given.dataset}-v0" / "world.json"
        world = build(read_json(about, "dvc repro")["world"], "world")
    count = getattr(compressor.params, "rows", 1000)
    rows, held_out, legal = read_rows(given.dataset, count, origin["dataset_sha256"])
    sha, seeds = origin["dataset_sha256"], tuple(origin["seeds"])
    small, report = compressor.compress(
        policy, Rows(rows, given.dataset, sha, seeds, world)
    )
    report |= {
        "schema": 1,
        "variant": variant,
        "compressor": given.compressor,
        "after": given.after,
        "action_error": action_error(policy, small, held_out, legal),
    }
    target = Path("data/compressed") / branch / variant
    with whole_folder(target) as folder:
        save_policy(folder, small, origin)
        write_json(folder / "compression.json", report)
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
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("dataset", "learner", "compressor"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--after", help="a compressor whose result is the input")
    torch.set_num_threads(1)
    run(parser.parse_args(), load())


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
