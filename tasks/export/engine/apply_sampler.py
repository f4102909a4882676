"""Give a diffusion policy another sampler before it becomes a file.

Each training seed's network gets a plan of its own, as a sampler may search it. How far
the actions are from those of a fine sampler (DDIM through every time of the schedule,
clipped as the policy was trained) is measured on rows the sampler has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.sealed import write_sealed
from tasks.export import Sampler
from tasks.export.cores.ddim_plan import ddim
from tasks.export.cores.schedule import CLEAN, Schedule
from tasks.export.cores.time_grid import nodes_at
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.policy import Policy, take
from tasks.nets.sampling import Call, Plan

ERROR_SEED = 0  # of the noise the error is measured with


@dataclass(frozen=True)
class SampledSeed:
    """One seed's policy with its sampler.

    Attributes:
        policy: Of one seed.
        entry: What its contract says of the sampler.
        error: Mean and largest difference from the fine sampler, half action ranges.
        search: What the sampler's search found for it, e.g. ratios; empty: no search.
    """

    policy: DiffusionPolicy
    entry: dict[str, Any]
    error: dict[str, float]
    search: dict[str, Any]


def check_policy(where: Path, policy: Policy) -> DiffusionPolicy:
    """The policy, if a sampler can be applied to it.

    Raises:
        RefusedError: If it is no diffusion policy, calls its network once, or does not
            say what its network predicts.
    """
    problem = ""
    if not isinstance(policy, DiffusionPolicy):
        problem = f"a {type(policy).__name__}"
    elif policy.plan.calls == 1:
        problem = f"{policy.plan.name}, a plan of one network call"
    elif policy.kind not in ("noise", "data"):
        problem = f"a network that predicts {policy.kind}"
    elif not policy.abar:
        problem = "a diffusion policy without a noise schedule"
    if problem or not isinstance(policy, DiffusionPolicy):
        raise RefusedError(
            where,
            "policy",
            problem,
            "a diffusion policy that predicts noise or data in several calls",
            "take other policies in study.sampled.policies, e.g. dql",
        )
    return policy


@dataclass(frozen=True)
class Sampled:
    """All seeds of a policy, each with a plan of its own.

    Attributes:
        seeds: In the order of the stack.
        fine: Calls of the fine sampler.
    """

    seeds: list[SampledSeed]
    fine: int

    def write(self, folder: Path, numbers: Sequence[int]) -> None:
        """Write sampler.json, and dc_ratios.json where a search found some.

        Args:
            folder: Where the files go.
            numbers: Of the training seeds, in the order of the stack.
        """
        errors, first = [seed.error for seed in self.seeds], self.seeds[0].entry
        pairs = list(zip(numbers, self.seeds, strict=True))
        summary = {
            "schema": 1,
            "sampler": first["name"],
            "calls": first["calls"],
            "fine": {"sampler": "ddim", "calls": self.fine},
            "action_error": {
                "mean": sum(error["mean"] for error in errors) / len(errors),
                "max": max(error["max"] for error in errors),
            },
            "seeds": [
                {
                    "seed": number,
                    "spec": seed.policy.plan.spec(),
                    **seed.entry,
                    **seed.error,
                }
                for number, seed in pairs
            ],
        }
        write_sealed(folder / "sampler.json", summary)
        if any(seed.search for seed in self.seeds):
            ratios = [
                {
                    "seed": number,
                    "plan_sha256": seed.entry["plan_sha256"],
                    **seed.search,
                }
                for number, seed in pairs
            ]
            write_sealed(folder / "dc_ratios.json", {"schema": 1, "seeds": ratios})


def apply_sampler(
    block: Mapping[str, Any],
    source: tuple[str, str, int],
    where: Path,
    policy: Policy,
    observations: NDArray[np.float32],
) -> Sampled:
    """Every seed of a policy with the sampler a variant names.

    Args:
        block: The sampler's, of params.yaml.
        source: The variant it is applied to, the sampler's name, its network calls.
        where: The policy's folder, for errors.
        policy: All seeds stacked.
        observations: (N, O), the first half for the sampler.

    Raises:
        RefusedError: If the policy takes no sampler, or the sampler makes no plan of so
            many calls.
    """
    _, name, calls = source
    sampler: Sampler[Any] = build(block, f"export.{name}")
    diffusion = check_policy(where, policy)
    rows, half = torch.from_numpy(observations), len(observations) // 2
    seeds, fine = [], fine_plan(diffusion)
    for k in range(policy.seeds):
        alone = take(diffusion, k)
        plan, search = sampler.fitted(alone, calls, rows[:half])
        entry = {
            "name": name,
            "plan": plan.name,
            "calls": plan.calls,
            "plan_sha256": plan.sha256,
        }
        resampled = alone.with_plan(plan)
        error = action_error(resampled, alone.with_plan(fine), rows[half:])
        seeds.append(SampledSeed(resampled, entry, error, search))
    return Sampled(seeds, fine.calls)


def fine_plan(policy: DiffusionPolicy) -> Plan:
    """DDIM through every time the policy was trained with."""
    schedule = Schedule.of(policy.abar)
    clip = any(isinstance(step, Call) and step.clip for step in policy.plan.steps)
    times = np.arange(schedule.last, CLEAN - 1, -1)
    return ddim(nodes_at(schedule, times), "ddim", clip=clip)


def action_error(
    policy: DiffusionPolicy, fine: DiffusionPolicy, rows: Tensor
) -> dict[str, float]:
    """Difference of two plans' actions, in half action ranges: mean and max.

    Both begin with the same noise, standard normal.

    Args:
        policy: Of one seed; what else it draws on the way comes on top.
        fine: The same network, acting by one noise.
        rows: (N, O).
    """
    draw = torch.Generator().manual_seed(ERROR_SEED)
    shape = (1, len(rows), policy.inputs()["noise"])
    noise = torch.randn(shape, generator=draw)
    with torch.no_grad():
        ours = policy(rows[None], noise)
        theirs = fine(rows[None], noise[..., : policy.action_width].contiguous())
    error = (ours - theirs).abs() / policy.action_unit
    return {"mean": float(error.mean()), "max": float(error.max())}
