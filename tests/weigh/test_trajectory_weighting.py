"""The weights themselves: the paper's equations, what they do not see, bad input."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.rows import load_transitions
from tasks.generate.engine.recording import Plan, collect
from tasks.weigh import figures, start_values, trajectories
from tasks.worlds.engine.behaviors import open_behavior
from tests.train.mixed import mixed
from tests.worlds.harness import load

PARAMS = Path(__file__).parents[2] / "params/weigh/trajectory_weighting.yaml"
LENGTHS = np.random.default_rng(1).integers(1, 9, 40)
RETURNS = np.random.default_rng(2).normal(5, 20, 40)


def make(scheme: str = "return", **change: Any) -> Any:
    """The method with its own YAML and what a test changes."""
    block = {**yaml.safe_load(PARAMS.read_text()), "scheme": scheme, **change}
    return build(block, "weighting.w")


def each(data: Any, weights: Any) -> Any:
    """The probability of a transition of each episode (n,)."""
    return weights[trajectories(data)[0]]


def test_return_weights_are_the_equation():
    """Straight from the paper, with plain loops."""
    data, alpha = mixed(RETURNS, LENGTHS), 0.3
    low, high = min(RETURNS), max(RETURNS)
    score = [np.exp((g - low) / (high - low) / alpha) for g in RETURNS]
    total = sum(t * s for t, s in zip(LENGTHS, score, strict=True))
    expected = [
        s / total for s, t in zip(score, LENGTHS, strict=True) for _ in range(t)
    ]
    found = make(alpha=alpha).weigh(data)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_two_episodes_by_hand():
    """Scores 0 and 1 at alpha 1 / ln 3: one in three a row; lengths 1 and 2."""
    data = mixed([-4.0, 6.0], [1, 2])
    found = make(alpha=1 / np.log(3)).weigh(data)
    np.testing.assert_allclose(found, [1 / 7, 3 / 7, 3 / 7], rtol=1e-12)


def test_advantage_weights_are_the_equation():
    data = mixed(RETURNS, LENGTHS)
    starts = data.observation[trajectories(data)[0]].astype(np.float64)
    inputs = np.column_stack([starts, np.ones(len(starts))])
    normal = np.linalg.solve(inputs.T @ inputs, inputs.T @ RETURNS)
    left = RETURNS - inputs @ normal
    fitted = start_values(data, trajectories(data)[0])
    assert fitted is not None
    np.testing.assert_allclose(RETURNS - fitted, left, atol=1e-9)
    score = np.exp((left - left.min()) / np.ptp(left) / 0.1)
    found = make("advantage").weigh(data)
    np.testing.assert_allclose(each(data, found), score / (LENGTHS @ score), rtol=1e-7)


@pytest.mark.parametrize("scheme", ["advantage", "return", "top", "uniform"])
def test_they_add_up_to_one_and_are_the_same_inside_an_episode(scheme: str):
    data = mixed(RETURNS, LENGTHS)
    found = make(scheme).weigh(data)
    assert found.shape == (LENGTHS.sum(),)
    assert found.dtype == np.float64
    assert abs(found.sum() - 1) < 1e-12
    for number in range(len(LENGTHS)):
        assert len(set(found[data.episode == number])) == 1


@pytest.mark.parametrize("scheme", ["advantage", "return"])
def test_a_shift_or_scale_of_the_rewards_is_not_seen(scheme: str):
    """A constant a step is one a return where episodes are equally long."""
    same, method = np.full(40, 5), make(scheme)
    plain = method.weigh(mixed(RETURNS, same))
    for returns in (RETURNS + 5 * 1.7, 0.01 * RETURNS, 300 * RETURNS):
        found = method.weigh(mixed(returns, same))
        np.testing.assert_allclose(found, plain, rtol=1e-8)
    longer = method.weigh(mixed(RETURNS + 10 * LENGTHS, LENGTHS))
    assert not np.allclose(longer, method.weigh(mixed(RETURNS, LENGTHS)))


def test_advantage_does_not_see_what_the_start_gives_and_return_does():
    starts = np.random.default_rng(5).uniform(-3, 3, (40, 3)).astype(np.float32)
    lucky = RETURNS + starts.astype(np.float64) @ [7.0, -20.0, 3.0]
    for scheme, equal in (("advantage", True), ("return", False)):
        plain = make(scheme).weigh(mixed(RETURNS, LENGTHS, starts))
        found = make(scheme).weigh(mixed(lucky, LENGTHS, starts))
        assert np.allclose(found, plain, rtol=1e-6) is equal


def test_large_alpha_is_uniform_and_small_alpha_the_best_episode():
    data = mixed(RETURNS, LENGTHS)
    n, uniform = len(data.reward), make("uniform").weigh(data)
    assert np.array_equal(uniform, np.full(n, uniform[0]))
    np.testing.assert_allclose(make(alpha=1e9).weigh(data), 1 / n, rtol=1e-8)
    for alpha in (1e-3, 5e-324):
        found = each(data, make(alpha=alpha).weigh(data))
        best = int(RETURNS.argmax())
        assert found[best] == pytest.approx(1 / LENGTHS[best])
        assert np.count_nonzero(found > 1e-9) == 1


@pytest.mark.parametrize(
    ("fraction", "count"), [(0.1, 4), (0.26, 10), (0.29, 11), (0.3, 12), (0.001, 1)]
)
def test_top_takes_whole_episodes(fraction: float, count: int):
    data = mixed(RETURNS, LENGTHS)
    found = make("top", fraction=fraction).weigh(data)
    best = np.sort(np.argsort(-RETURNS)[:count])
    assert np.array_equal(np.unique(data.episode[found > 0]), best)
    np.testing.assert_allclose(found[found > 0], 1 / LENGTHS[best].sum(), rtol=1e-12)
    ties = make("top", fraction=0.5).weigh(mixed([1.0, 2.0, 1.0, 1.0], [2, 1, 1, 1]))
    np.testing.assert_allclose(ties, [1 / 3, 1 / 3, 1 / 3, 0, 0])  # earlier is better


@pytest.mark.parametrize("scheme", ["advantage", "return", "top"])
def test_equal_scores_are_uniform_with_a_warning(scheme: str):
    starts = np.random.default_rng(5).uniform(-3, 3, (40, 3)).astype(np.float32)
    linear = starts.astype(np.float64) @ [7.0, -20.0, 3.0] + 100
    returns = linear if scheme == "advantage" else np.full(40, -3.0)
    data = mixed(returns, LENGTHS, starts)
    with pytest.warns(UserWarning, match="tiny-v0: all 40 episodes have the same"):
        found = make(scheme).weigh(data)
    assert np.array_equal(found, make("uniform").weigh(data))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("uniform").weigh(data)


def test_figures_are_what_a_hand_computes():
    """Returns 0, 0, 6 of lengths 1, 1, 2; the last is drawn by 0.4 a row."""
    data = mixed([0.0, 0.0, 6.0], [1, 1, 2])
    effect = figures(data, np.array([0.1, 0.1, 0.4, 0.4]), ref_min=-2, ref_max=8)
    assert effect["v_plus"] == pytest.approx({"return": 16 / 3, "score": 16 / 300})
    assert effect["effective_sample_size"] == pytest.approx(1 / 0.34 / 4)
    expected = pytest.approx({"uniform": 3.0, "weighted": 4.8})
    assert effect["mean_return"] == expected
    assert effect["start_return"] is None  # three episodes, three numbers a start
    shares = effect["distribution"]
    assert len(shares["edges"]) == 21
    assert shares["uniform"] == pytest.approx([0.5, *[0] * 18, 0.5])
    assert shares["weighted"] == pytest.approx([0.2, *[0] * 18, 0.8])


def pendulum(folder: Path) -> Any:
    """Random torques from any start, a real dataset."""
    world = load("pendulum")
    plan = (open_behavior(folder, world, "random", 0.0), Plan(0, 0, 60, None, 30))
    episodes = collect(world, [plan], lambda *_: None)
    place = folder / "random-v0"
    write_dataset(place, "random-v0", episodes, world, {"name": "pendulum"})
    return load_transitions(place)


def test_return_prefers_easy_starts_of_the_pendulum_and_advantage_does_not(
    tmp_path: Path,
):
    """The start's angle from upright: 1.70 rad, by return 0.64, by advantage 1.80."""
    data = pendulum(tmp_path)
    first = trajectories(data)[0]
    cos, sin = data.observation[first, 0], data.observation[first, 1]
    angle = np.abs(np.arctan2(sin, cos)).astype(np.float64)[data.episode]
    found = {s: make(s).weigh(data) for s in ("uniform", "return", "advantage")}
    mean = {scheme: float(p @ angle) for scheme, p in found.items()}
    luck = {s: figures(data, p, -1, 0)["start_return"] for s, p in found.items()}
    assert mean["return"] < mean["uniform"] - 0.8
    assert abs(mean["advantage"] - mean["uniform"]) < 0.2
    for one in luck.values():
        assert one["uniform"] == pytest.approx(data.returns.mean())
    assert luck["return"]["weighted"] > luck["return"]["uniform"] + 50
    assert abs(luck["advantage"]["weighted"] - luck["uniform"]["uniform"]) < 100


def broken(change: str) -> Any:
    """A dataset with a fault."""
    data = mixed(RETURNS, LENGTHS)
    first = trajectories(data)[0]
    long = int(np.argmax(LENGTHS))
    if change == "one":
        data = mixed([1.0], [30])
    elif change == "glued":  # two episodes under one number
        data.episode = np.maximum(data.episode - 1, 0)
        data.returns = data.returns[1:]
    elif change == "terminated":
        data.terminated[first[long] + 1] = 1.0
    elif change == "unordered":
        data.episode = data.episode[::-1].copy()
    elif change == "missing":
        data.returns = np.append(data.returns, 1.0)
    else:
        data.returns[7] = np.nan if change == "nan" else np.inf
    return data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("one", "episodes: found 1, expected at least 2"),
        ("glued", "episode 0: found a border between its steps, after row"),
        ("terminated", "found a border between its steps"),
        ("unordered", "episodes: found numbers of 40 episodes that do not rise"),
        ("missing", "found numbers of 40 episodes that do not rise from 0 to 40"),
        ("nan", "returns: found nan in episode 7, expected finite"),
        ("inf", "returns: found inf in episode 7"),
    ],
)
@pytest.mark.parametrize("scheme", ["advantage", "uniform"])
def test_bad_datasets_are_refused(scheme: str, change: str, said: str):
    with pytest.raises(RefusedError, match=said) as refused:
        make(scheme).weigh(broken(change))
    assert refused.value.where == "tiny-v0"


@pytest.mark.parametrize(("n", "width"), [(2, 3), (4, 3), (40, 28 * 28)])
def test_advantage_needs_more_episodes_than_numbers_of_a_start(n: int, width: int):
    """Else the regression goes through all returns; pixels are the usual case."""
    starts = np.random.default_rng(0).standard_normal((n, width))
    data = mixed(RETURNS[:n], LENGTHS[:n], starts)
    with pytest.raises(RefusedError, match=f"at least {width + 2}.*features") as error:
        make("advantage").weigh(data)
    assert f"{n}, with {width} numbers" in str(error.value)
    assert make("return").weigh(data).sum() == pytest.approx(1)
    more = mixed(RETURNS[:5], LENGTHS[:5])
    make("advantage").weigh(more)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 0}, r"weighting.w.alpha: found 0, expected \(0, 1e\+12\)"),
        ({"alpha": -0.1}, "weighting.w.alpha: found -0.1"),
        ({"fraction": 0.0}, "weighting.w.fraction: found 0.0"),
        ({"fraction": 1.0}, "weighting.w.fraction: found 1.0"),
        ({"scheme": "aw"}, "weighting.w.scheme: found 'aw', .*advantage, return, top"),
        ({"alpa": 1}, "weighting.w.alpa: .*did you mean alpha?"),
    ],
)
def test_bad_parameters_are_refused(change: dict[str, Any], said: str):
    with pytest.raises(RefusedError, match=said):
        make(**{"scheme": "return", **change})
