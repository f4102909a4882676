"""Statistics of a stream are those of all its samples."""

import math

import numpy as np
import pytest
import torch

from tasks.learn.cores.running import RewardScale, Running


def test_running_statistics_are_those_of_all_samples():
    g = np.random.default_rng(0)
    rows = 5 + 3 * g.standard_normal((50, 2, 4))
    of_second = g.random(50) < 0.5
    running = Running(2, 4)
    np.testing.assert_allclose(running.std, 1)
    for row, whose in zip(rows, of_second, strict=True):
        running.add(torch.from_numpy(row), torch.tensor([True, bool(whose)]))
    for k, own in enumerate((rows[:, 0], rows[of_second, 1])):
        np.testing.assert_allclose(running.mean[k], own.mean(0))
        np.testing.assert_allclose(running.std[k], own.std(0, ddof=1), rtol=1e-6)


def test_rewards_are_scaled_by_their_discounted_sum_and_not_centred():
    scale, sums, u = RewardScale(1, 0.9), [], 0.0
    for t, (r, ended) in enumerate([(1.0, 0), (2.0, 0), (4.0, 1), (3.0, 0)]):
        u = 0.9 * (1 - ended) * u + r
        sums.append(u)
        scaled = scale(torch.tensor([r]), torch.tensor([float(ended)]))
        std = np.std(sums, ddof=1) if t else 1.0
        assert scaled.item() == pytest.approx(r / math.sqrt(std**2 + 1e-8), rel=1e-6)
