"""The same task in other units is learned as well, or refused with the figure."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from tasks.artifacts.dataset import Episode, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.transitions import LEVER, Transitions, constant_columns, divisor
from tasks.train.engine.loop import train
from tests.train import harness
from tests.worlds.test_logged import block, logged

WIDTH, STEPS, EPISODES = 3, 100, 20


def episodes(unit: float, offset: float) -> list[Episode]:
    """States whose right action is known, in some unit and from some origin."""
    made = []
    for seed in range(EPISODES):
        draw = np.random.default_rng(seed)
        state = draw.standard_normal((STEPS + 1, WIDTH))
        right = np.tanh(state[:-1, :1] - 0.5 * state[:-1, 1:2] * state[:-1, 2:])
        end = np.arange(STEPS) == STEPS - 1
        made.append(
            Episode(
                observations=unit * state + offset,
                actions=(0.9 * right).astype(np.float32),
                rewards=np.zeros(STEPS),
                terminations=np.zeros(STEPS, bool),
                truncations=end,
                infos={},
                seed=seed,
                source="rule",
            )
        )
    return made


def written(root: Path, made: list[Episode]) -> Transitions:
    space = Box(-np.inf, np.inf, (WIDTH,), made[0].observations.dtype.type)
    world = logged().of(space, Box(-1, 1, (1,)))
    write_dataset(root / "plant-v0", "plant-v0", made, world, block())
    return load_transitions(root / "plant-v0")


def error(data: Transitions) -> float:
    """Mean squared error of bc's actions on the rows it learned from."""
    learner = harness.make("bc", (0,), 800, data, actor_hidden=[32, 32])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(learner, data, 800, 128)
    with torch.no_grad():
        action = learner.policy()(torch.from_numpy(data.observation)[None])[0]
    return float((action - torch.from_numpy(data.action)).square().mean())


def test_units_and_offsets_do_not_matter(tmp_path: Path):
    plain = error(written(tmp_path / "plain", episodes(1.0, 0.0)))
    assert plain < 0.01
    for unit, offset in ((1e-3, 0.0), (1e-6, 0.0), (1e6, 0.0), (1.0, 1e3), (1e4, 1e7)):
        data = written(tmp_path / f"{unit}{offset}", episodes(unit, offset))
        assert error(data) == pytest.approx(plain, rel=0.1), (unit, offset)


def test_digits_that_float32_loses_are_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match=r"observation 0: found 9\d\.\d% of") as e:
        written(tmp_path, episodes(1.0, 1e7))
    assert "up to 1e+07" in str(e.value)
    assert "\n" not in str(e.value)
    assert not any(tmp_path.iterdir())


def test_whole_numbers_and_single_precision_lose_nothing(tmp_path: Path):
    counts = [
        replace(e, observations=np.round(1e3 * e.observations) + 1e7)
        for e in episodes(1.0, 0.0)
    ]
    written(tmp_path / "counts", counts)
    single = [
        replace(e, observations=e.observations.astype(np.float32))
        for e in episodes(1.0, 1e7)
    ]
    written(tmp_path / "single", single)


def test_constant_columns_have_a_lever_and_others_their_deviation():
    std = np.array([2.0, 1e-9, 0.0, 0.0, 3e-20, 1e-8])
    largest = np.array([5.0, 2e-9, 4.0, 0.0, 1e-19, 1.0])
    by = divisor(std, largest)
    assert by.tolist() == [2.0, 1e-9, 4 * LEVER, LEVER, LEVER, LEVER]
    mean = np.array([1.0, 0.0, -4.0, 0.0, 0.0, 1.0])
    assert constant_columns(mean, by).tolist() == [False, False, *[True] * 4]
    tensors = torch.from_numpy(mean).float(), torch.from_numpy(by).float()
    assert constant_columns(*tensors).tolist() == [False, False, *[True] * 4]


def test_rounding_of_double_precision_is_no_column_to_refuse(tmp_path: Path):
    made = episodes(1.0, 0.0)
    for episode in made:
        episode.observations[:, 1] = 0.1 + 1e-17 * np.arange(STEPS + 1)
    data = written(tmp_path, made)
    assert data.observation_std[1] == pytest.approx(1e-4)
