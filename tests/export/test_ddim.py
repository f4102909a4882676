import math

import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tests.export.samplers import LINEAR, TABLE, make, noise, sample, smooth


def test_two_steps_by_hand():
    plan = make("ddim", **TABLE).plan(LINEAR, 2)
    x = noise(1)[0]
    times = [step.time for step in plan.steps if hasattr(step, "time")]
    levels = [LINEAR.table[int(t)] for t in [*times, 0]]
    for t, here, after in zip(times, levels[:-1], levels[1:], strict=True):
        eps = smooth(x, t)
        data = (x - math.sqrt(1 - here) * eps) / math.sqrt(here)
        x = math.sqrt(after) * data + math.sqrt(1 - after) * eps
    got = sample(plan)
    torch.testing.assert_close(got, x, rtol=0, atol=1e-10)


def test_clean_ends_at_the_data_and_clipping_recomputes_the_noise():
    plan = make("ddim", clip=True).plan(LINEAR, 1)
    x = noise(1)[0]
    here = LINEAR.table[int(plan.steps[0].time)]
    data = (x - math.sqrt(1 - here) * smooth(x, plan.steps[0].time)) / math.sqrt(here)
    assert data.abs().max() > 1
    torch.testing.assert_close(sample(plan), data.clamp(-1, 1), rtol=0, atol=1e-10)
    clipped = make("ddim", **TABLE | {"clip": True}).plan(LINEAR, 1)
    data = data.clamp(-1, 1)
    eps = (x - math.sqrt(here) * data) / math.sqrt(1 - here)
    end = LINEAR.table[0]
    wanted = math.sqrt(end) * data + math.sqrt(1 - end) * eps
    torch.testing.assert_close(sample(clipped), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_a_share_of_noise_outside_0_and_1_is_refused(eta: float):
    with pytest.raises(RefusedError, match="export.ddim.eta"):
        make("ddim", eta=eta)
