"""Train the behaviour policies of one world: ``python -m tasks.behaviors --world W``.

Writes ``data/behaviors/<world>/``: one ONNX policy a kept checkpoint, and
``behaviors.json`` with the return, steps and hours of each.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from safetensors.torch import save_file

from tasks.artifacts.params import Params, Range, build
from tasks.behaviors.online import run
from tasks.train import Learner, Spaces
from tasks.worlds import World


@dataclass(frozen=True)
class BehaviorParams(Params):
    """See params/behaviors/*.yaml for units and ranges."""

    world: str
    seeds: Annotated[tuple[int, ...], Range(0)]
    steps: Annotated[int, Range(1)]
    start_steps: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    updates_per_step: Annotated[float, Range(0, 64, open=True)]
    checkpoint_every: Annotated[int, Range(1)]
    episodes: Annotated[int, Range(1)]
    replay: Annotated[int, Range(0)]
    medium: Annotated[tuple[float, ...], Range(0, 1, open=True)]


def train(
    params: BehaviorParams, world: World, sac: dict[str, Any], scratch: Path
) -> list[Path]:
    """Run SAC and save the policy every ``checkpoint_every`` steps.

    Returns:
        Safetensors files, one a checkpoint, all seeds stacked.
    """
    width = int(np.prod(world.observation_space.shape or (1,)))
    spaces = Spaces(
        torch.zeros(width),
        torch.ones(width),
        torch.from_numpy(world.action_space.low),
        torch.from_numpy(world.action_space.high),
    )
    learner: Learner = build(
        sac, "train.sac", spaces=spaces, seeds=params.seeds, updates=params.steps
    )
    scratch.mkdir(parents=True, exist_ok=True)
    files, recent, begun = [], [], time.monotonic()
    loop = run(
        learner,
        world,
        params.steps,
        params.start_steps,
        params.batch,
        params.updates_per_step,
    )
    for step, finished, policy in loop:
        if not np.isnan(finished).all():
            recent.append(finished)
        if step % params.checkpoint_every == 0:
            file = scratch / f"step-{step:08d}.safetensors"
            save_file(dict(policy.state_dict()), file)
            files.append(file)
            mean = np.nanmean(np.array(recent[-20:]), axis=0).round(0)
            hours = (time.monotonic() - begun) / 3600
            print(f"step {step}: return {mean} after {hours:.2f} h", flush=True)
    return files
