"""PTQ4DM's calibration states: what the network is called with.

Shapes: N states, A action, O observation, n noises of the plan, T times of a chain.

| arm | states x, times t |
|---|---|
| ``ndtc`` | of the chain, t normal and leaning to the clean end |
| ``uniform`` | of the chain, t evenly drawn |
| ``noisy``, ``middle``, ``clean`` | of the chain, all at t = T-1, T // 2 or 0 |
| ``noise`` | standard normal, t evenly drawn |
| ``mismatch`` | of the chain after loop step t, as the released script has it |
| ``data`` | logged actions, t evenly drawn |
| ``diffused`` | logged actions with the schedule's noise of t, t evenly drawn |
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.seeding import generator
from tasks.nets.diffusion import DiffusionPolicy
from tasks.nets.sampling import Call, run

# what a policy can be calibrated on without logged actions, and what needs them
OWN = ("ndtc", "uniform", "noisy", "middle", "clean", "noise", "mismatch")
WITH_DATA = ("data", "diffused")
CHAIN = "what the float policy samples"


@dataclass(frozen=True)
class States:
    """What the network is called with, row by row.

    Attributes:
        observation: (1, N, O), normalised.
        x: (1, N, A).
        time: (1, N), as the network is told.
    """

    observation: Tensor
    x: Tensor
    time: Tensor

    def batches(self, size: int) -> list["States"]:
        """In their order; a rest smaller than a batch is left out."""
        whole = self.x.shape[1] // size
        sides = (self.observation, self.x, self.time)
        parts = (torch.split(side, size, dim=1)[:whole] for side in sides)
        return [States(*part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Draw:
    """How calibration states are drawn.

    Attributes:
        arm: One of ``OWN`` and ``WITH_DATA``.
        mean: Of the times, in T, at most 0.5.
        std: Of the times, in T.
        seed: All randomness depends on it.
    """

    arm: str
    mean: float
    std: float
    seed: int

    def times(self, count: int, last: int) -> Tensor:
        """Numbers of times, 0 (clean)..``last``, (N,) int64."""
        draw = generator(self.seed, "ptq4dm times")
        t = last + 1
        fixed = {"noisy": last, "middle": t // 2, "clean": 0}
        if self.arm in fixed:
            return torch.full((count,), fixed[self.arm])
        if self.arm in ("ndtc", "mismatch"):
            drawn = self.mean * t + self.std * t * torch.randn(count, generator=draw)
            return drawn.round().clamp(0, last).long()
        return torch.randint(t, (count,), generator=draw)


def chain(policy: DiffusionPolicy, normalised: Tensor, noise: Tensor) -> list[Tensor]:
    """The backward process: x at each call of the plan, and the sample it ends with.

    Args:
        policy: Float, of one seed.
        normalised: (1, N, O), observations.
        noise: (1, N, n, A), the plan's.

    Returns:
        (1, N, A) each, one more than the plan's calls.
    """
    states: list[Tensor] = []

    def call(x: Tensor, time: float) -> Tensor:
        states.append(x)
        return policy.network(normalised, x, *policy.times(time))

    end = run(policy.plan, call, policy.kind, noise.unbind(2))
    return [*states, end.clamp(-1, 1)]


def call_times(policy: DiffusionPolicy) -> list[float]:
    """The times of the plan's calls, noisiest first.

    Raises:
        RefusedError: If the policy predicts noise or data without a schedule, a time
            lies outside it, or times do not fall.
    """
    times = [step.time for step in policy.plan.steps if isinstance(step, Call)]
    problem, last = "", len(policy.abar) - 1
    if policy.kind != "velocity" and not policy.abar:
        problem = f"a network that predicts {policy.kind} without a noise schedule"
    elif policy.abar and not all(0 <= time <= last for time in times):
        problem = f"calls at times {times}"
    elif not times or any(one <= two for one, two in itertools.pairwise(times)):
        problem = f"calls at times {times}, which do not fall"
    if problem:
        raise RefusedError(
            "policy.json",
            "policy.plan",
            problem,
            f"a plan that goes down a schedule's times {last}..0"
            if policy.abar
            else "a schedule, abar, and a plan that goes down its times",
            "train the policy again with: dvc repro",
        )
    return times


def states(
    policy: DiffusionPolicy,
    observations: Tensor,
    draw: Draw,
    actions: Tensor | None = None,
) -> States:
    """Calibration states of one seed.

    Args:
        policy: Float, of one seed.
        observations: (N, O), units of the world; each begins a chain of its own.
        draw: Which states.
        actions: (N, A), logged, in [-1, 1]; arms of ``WITH_DATA`` need them.

    Raises:
        RefusedError: If the policy's plan has no chain, or states are not finite.
    """
    times, count = call_times(policy), len(observations)
    last, width = len(times) - 1, policy.action_width
    normalised = policy.normalise(observations[None])
    chance = generator(draw.seed, "ptq4dm noise")
    noise = torch.randn((1, count, policy.plan.noises, width), generator=chance)
    t = draw.times(count, last)  # 0 is the cleanest
    at = last - t  # 0 is the noisiest, the first call
    time = torch.tensor(times)[at][None]
    if draw.arm == "noise":
        x = noise[:, :, 0]
    elif draw.arm in WITH_DATA:
        if actions is None:
            raise ValueError(f"{draw.arm} needs logged actions")
        x = actions[None]
        if draw.arm == "diffused":
            abar = torch.tensor(policy.abar)[time.long()][..., None]
            x = abar.sqrt() * x + (1 - abar).sqrt() * noise[:, :, 0]
    else:
        # the released script labels the state after loop step i with i itself
        where = t + 1 if draw.arm == "mismatch" else at
        passed = torch.stack(chain(policy, normalised, noise))  # (T + 1, 1, N, A)
        x = passed[where, 0, torch.arange(count)][None]
    bad = int((~torch.isfinite(x)).any(-1).sum())
    if bad:
        raise RefusedError(
            CHAIN,
            "calibration states",
            f"NaN or infinity in {bad} of {count}",
            "finite numbers",
            "train the policy again, with a lower rate: its sampler diverges",
        )
    return States(normalised, x, time)


def call(policy: DiffusionPolicy, states: States) -> Tensor:
    """The network's prediction at states, (1, N, A); its second time, if any, is 0."""
    others = [torch.zeros(1, 1)] * (len(policy.embeddings) - 1)
    return policy.network(states.observation, states.x, states.time, *others)
