"""The plans against the schedulers of diffusers, which are code of others.

On whole times both must agree; each scheduler is told the nodes our plan has.
"""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.nets.sampling import Plan
from tests.export.samplers import LINEAR, make, noise, sample, smooth

# theirs, of numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
BETAS = np.linspace(1e-4, 0.02, 1000)


@pytest.fixture(scope="module")
def diffusers() -> Any:
    return importlib.import_module("diffusers")  # takes seconds


def times(plan: Plan) -> list[int]:
    return [int(step.time) for step in plan.steps if hasattr(step, "time")]


def follow(scheduler: Any, told: list[int], **more: Any) -> Tensor:
    """Their loop, in float64."""
    x = noise(1)[0]
    for t in told:
        x = scheduler.step(smooth(x, t), t, x, **more).prev_sample
    return x


@pytest.mark.parametrize("calls", [5, 12])
def test_ddim(diffusers: Any, calls: int):
    plan = make("ddim", clip=False).plan(LINEAR, calls)
    told = times(plan)
    scheduler = diffusers.DDIMScheduler(
        trained_betas=BETAS, clip_sample=False, set_alpha_to_one=True
    )
    x = noise(1)[0]
    for t, after in zip(told, [*told[1:], -1], strict=True):
        # its step goes back by a fixed stride; told ours instead
        scheduler.num_inference_steps = 1
        scheduler.config.num_train_timesteps = t - after
        x = scheduler.step(smooth(x, t), t, x).prev_sample
    torch.testing.assert_close(sample(plan), x, rtol=1e-4, atol=1e-4)


def test_ddpm(diffusers: Any):
    plan = make("ddpm", clip=False).plan(LINEAR, 6)
    told = times(plan)
    scheduler = diffusers.DDPMScheduler(trained_betas=BETAS, clip_sample=False)
    scheduler.set_timesteps(timesteps=told)
    drawn = noise(plan.noises)
    x = drawn[0]
    for i, t in enumerate(told):
        with pytest.MonkeyPatch.context() as patch:
            own = drawn[min(i + 1, len(told) - 1)]
            name = "diffusers.schedulers.scheduling_ddpm.randn_tensor"
            patch.setattr(name, lambda *_, own=own, **__: own)
            x = scheduler.step(smooth(x, t), t, x).prev_sample
    torch.testing.assert_close(sample(plan), x, rtol=1e-4, atol=1e-4)


def multistep(kind: Any, told: list[int], last: float = 0.0, **more: Any) -> Any:
    """A scheduler whose nodes are ours; ``last`` is its rho at the end."""
    scheduler = kind(
        trained_betas=BETAS, final_sigmas_type="zero", solver_order=2, **more
    )
    scheduler.set_timesteps(len(told))
    abar = np.array([LINEAR.table[t] for t in told])
    scheduler.timesteps = torch.tensor(told)
    sigmas = [*((1 - abar) / abar) ** 0.5, last]
    scheduler.sigmas = torch.tensor(sigmas, dtype=torch.float64)
    return scheduler


@pytest.mark.parametrize("calls", [5, 12])
def test_dpm_solver(diffusers: Any, calls: int):
    plan = make("dpm_solver", clip=False).plan(LINEAR, calls)
    told = times(plan)
    kind = diffusers.DPMSolverMultistepScheduler
    scheduler = multistep(kind, told, algorithm_type="dpmsolver++")
    torch.testing.assert_close(
        sample(plan), follow(scheduler, told), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("calls", [5, 12])
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("corrector", ["all", "later"])
def test_unipc(diffusers: Any, calls: int, variant: str, corrector: str):
    # theirs divides infinities where bh1 ends clean
    end = "clean" if variant == "bh2" else "table"
    own = {"variant": variant, "corrector": corrector, "clip": False, "end": end}
    plan = make("unipc", **own).plan(LINEAR, calls)
    told = times(plan)
    scheduler = multistep(
        diffusers.UniPCMultistepScheduler,
        told,
        last=0.0 if end == "clean" else float(LINEAR.rho(0.0)),
        solver_type=variant,
        disable_corrector=[0] if corrector == "later" else [],
    )
    torch.testing.assert_close(
        sample(plan), follow(scheduler, told), rtol=1e-4, atol=1e-4
    )
