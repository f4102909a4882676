import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tests.export.samplers import COSINE, LINEAR, TABLE, make, noise, sample, smooth


def test_three_steps_by_hand():
    plan = make("dpm_solver", **TABLE).plan(LINEAR, 3)
    times = [step.time for step in plan.steps if hasattr(step, "time")]
    abar = np.array([LINEAR.table[int(t)] for t in [*times, 0]])
    a, s = np.sqrt(abar), np.sqrt(1 - abar)
    h = np.diff(np.log(a / s))
    x, data = noise(1)[0], []
    for i, t in enumerate(times):
        data.append((x - s[i] * smooth(x, t)) / a[i])
        d = data[-1]
        if i == 1:
            r = h[0] / h[1]
            d = (1 + 1 / (2 * r)) * data[1] - 1 / (2 * r) * data[0]
        x = s[i + 1] / s[i] * x - a[i + 1] * np.expm1(-h[i]) * d
    torch.testing.assert_close(sample(plan), x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("end", ["table", "clean"])
@pytest.mark.parametrize("schedule", [LINEAR, COSINE])
def test_it_is_the_predictor_of_unipc_2_with_bh2(end: str, schedule):
    own = {"end": end, "clip": False}
    for calls in (2, 5, 12):
        ours = sample(make("dpm_solver", **own).plan(schedule, calls))
        predictor = make("unipc", corrector="none", order=2, variant="bh2", **own)
        theirs = sample(predictor.plan(schedule, calls))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_fewer_calls_than_its_order_are_refused():
    with pytest.raises(RefusedError, match="found 1, expected at least 2"):
        make("dpm_solver").plan(LINEAR, 1)
