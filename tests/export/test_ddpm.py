import numpy as np
import pytest
import torch

from tasks.export.cores.schedule import Schedule
from tasks.nets.sampling import ddpm, variance_preserving
from tests.export.samplers import COSINE, make, sample


@pytest.mark.parametrize("clip", [False, True])
def test_with_all_times_it_is_what_a_policy_is_trained_with(clip: bool):
    abar = variance_preserving(5)
    plan = make("ddpm", clip=clip).plan(Schedule.of(abar), 5)
    assert plan.noises == 5
    torch.testing.assert_close(sample(plan), sample(ddpm(abar, clip)))


def test_fewer_calls_leave_out_times_and_the_last_step_has_no_noise():
    plan = make("ddpm").plan(COSINE, 4)
    times = [step.time for step in plan.steps if hasattr(step, "time")]
    assert len(times) == plan.noises == 4
    assert np.all(np.diff(times) < 0)
    assert dict(plan.steps[-1].terms).keys() == {"data3", "x3"}
