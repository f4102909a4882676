"""Corruptions: exactly the chosen field and steps, and attacks that hurt."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.dataset import Episode, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.readings import COLUMNS, MASK, steps
from tasks.artifacts.rows import load_transitions
from tasks.generate.corrupt.attack import Attacker, descend
from tasks.nets.critic import Critic
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, episode, hopper  # noqa: F401

FIELDS = ("obs", "act", "rew", "next_obs")
PLACES = {"obs": "observation", "act": "action", "rew": "reward"}
PLACES |= {"next_obs": "next_observation"}


def method(**override: Any) -> Any:
    """The method with its own YAML."""
    block = yaml.safe_load(Path("params/generate/corrupt.yaml").read_text())
    return build(block | override, "corruption.made_up.generate")


def quiet(share: float, words: str) -> None:
    """Progress nobody listens to."""


@pytest.fixture(scope="module")
def played() -> list[Episode]:
    return [episode(seed, 40, terminated=seed % 2 == 0) for seed in range(50)]


def flat(episodes: list[Episode], world: World, place: str) -> Any:
    return np.concatenate(
        [getattr(steps(one, world.action_space), place) for one in episodes]
    )


@pytest.mark.parametrize("field", FIELDS)
def test_exactly_the_chosen_field_and_steps(
    field: str, world: World, played: list[Episode]
):
    done, figures = method(field=field, scale=0.5).corrupt(
        played, world.action_space, None, quiet
    )
    hit = flat(done, world, MASK) == 1
    place = PLACES[field]
    for other in PLACES.values():
        before, after = flat(played, world, other), flat(done, world, other)
        changed = (before != after).reshape(len(hit), -1)
        if other == place:
            assert np.array_equal(changed.all(axis=1), hit)
            assert np.array_equal(changed.any(axis=1), hit)
        else:
            assert not changed.any()
    for one, other in zip(played, done, strict=True):
        for key in ("observations", "actions", "rewards", "terminations"):
            assert np.array_equal(getattr(one, key), getattr(other, key))
        assert set(other.infos) == {"qpos", "qvel", COLUMNS[field], MASK}
    before, after = (flat(e, world, place)[hit] for e in (played, done))
    if field == "rew":  # replaced
        assert np.abs(after).max() <= 15
        assert np.abs(after).max() > 14
    else:
        z = (after - before) / flat(played, world, place).astype(np.float64).std(0)
        assert np.abs(z).max() <= 0.5 + 1e-6
        assert np.abs(z).max(axis=0).min() > 0.49
        assert abs(z.mean()) < 0.05
    assert figures["steps"] == hit.sum()
    assert figures["share"] == hit.mean()


def test_the_seed_gives_the_mask_and_its_share_is_the_rate(
    world: World, played: list[Episode]
):
    def masks(**override: Any) -> Any:
        done, _ = method(**override).corrupt(played, world.action_space, None, quiet)
        return flat(done, world, MASK)

    first, again, other = masks(), masks(field="rew"), masks(seed=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    n = len(first)
    for rate in (0.1, 0.3, 0.8):
        error = abs(masks(rate=rate).mean() - rate)
        assert error < 4 * np.sqrt(rate * (1 - rate) / n)
    assert masks(rate=0.0).sum() == 0
    assert masks(rate=1.0).sum() == n
    expected = 0.3**2 * n  # neighbours are chosen on their own
    assert abs((first[1:] * first[:-1]).sum() - expected) < 5 * np.sqrt(expected)


def test_a_step_and_the_one_before_it_part_ways(world: World, played: list[Episode]):
    for field, same in (("obs", "next_obs"), ("next_obs", "obs")):
        done, _ = method(field=field, rate=1.0).corrupt(
            played[:1], world.action_space, None, quiet
        )
        read = steps(done[0], world.action_space)
        assert not (read.observation[1:] == read.next_observation[:-1]).any()
        clean = steps(played[0], world.action_space)
        kept = PLACES[same]
        assert np.array_equal(getattr(read, kept), getattr(clean, kept))


def test_adversarial_rewards_are_turned_round(world: World, played: list[Episode]):
    done, _ = method(field="rew", mode="adversarial", scale=2.0, rate=1.0).corrupt(
        played, world.action_space, None, quiet
    )
    before, after = (flat(e, world, "reward") for e in (played, done))
    assert np.array_equal(after, -2 * before)


@pytest.mark.parametrize("field", FIELDS)
def test_what_is_read_is_the_corrupted_data(
    field: str,
    world: World,
    played: list[Episode],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    import minari

    done, figures = method(field=field).corrupt(played, world.action_space, None, quiet)
    folders = tmp_path / "clean" / ID, tmp_path / "wrong" / ID
    for folder, episodes in zip(folders, (played, done), strict=True):
        about = {"corruption": figures} if episodes is done else None
        write_dataset(folder, ID, episodes, world, BLOCK, about=about)
    clean, wrong = (load_transitions(folder) for folder in folders)
    assert clean.sha256 != wrong.sha256
    assert clean.attacked is None
    assert wrong.attacked is not None
    assert np.array_equal(wrong.attacked, flat(done, world, MASK))
    for place in PLACES.values():
        truth = flat(done, world, place).astype(np.float32)
        assert np.array_equal(getattr(wrong, place), truth)
    np.testing.assert_allclose(
        wrong.observation_mean, flat(done, world, "observation").mean(0), rtol=1e-5
    )
    returns = [steps(one, world.action_space).reward.sum() for one in done]
    np.testing.assert_allclose(wrong.returns, returns)
    if field == "act":
        assert np.abs(wrong.action).max() > 1.2
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "wrong"))
    one = next(iter(minari.load_dataset(ID).iterate_episodes()))
    assert np.array_equal(one.observations, played[0].observations)
    assert np.array_equal(one.infos[COLUMNS[field]], done[0].infos[COLUMNS[field]])
    card = json.loads((folders[1] / "card.json").read_text())
    assert card["corruption"]["steps"] == wrong.attacked.sum()
    plain = json.loads((folders[0] / "card.json").read_text())
    assert card["return"] == plain["return"]  # of what was played
    assert "corruption" not in plain


def test_columns_of_another_width_are_refused(
    world: World, played: list[Episode], tmp_path: Path
):
    done, _ = method().corrupt(played[:1], world.action_space, None, quiet)
    infos = dict(done[0].infos)
    infos["read_observation"] = infos["read_observation"][:, :5]
    spoilt = dataclasses.replace(done[0], infos=infos)
    with pytest.raises(RefusedError, match=r"infos/read_observation: found shape"):
        write_dataset(tmp_path / ID, ID, [spoilt], world, BLOCK)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def attacker() -> Attacker:
    """Ten random critics and a policy, of the hopper's widths."""
    g = torch.Generator().manual_seed(3)
    o, a, hidden, members = 11, 3, 16, 10
    layers = [Linear(members, o + a, hidden), Linear(members, hidden, 1)]
    for layer in layers:
        layer.initialise([g])
    bounds = torch.ones(a)
    spaces = torch.full((o,), 0.2), torch.full((o,), 1.5), -bounds, bounds
    critic = Critic(layers, members, *spaces).requires_grad_(requires_grad=False)
    body = [Linear(2, o, 8), Linear(2, 8, 2 * a)]
    for layer in body:
        layer.initialise([g])
    policy = Feedforward(body, "gaussian", *spaces).requires_grad_(requires_grad=False)
    return Attacker(critic, policy, "ab" * 32)


@pytest.mark.parametrize("field", ["obs", "act", "next_obs"])
def test_an_attack_lowers_q_inside_its_box(
    field: str, world: World, played: list[Episode], attacker: Attacker
):
    def corrupt(chunks: int) -> tuple[list[Episode], dict[str, Any]]:
        result: tuple[list[Episode], dict[str, Any]] = method(
            field=field, mode="adversarial", scale=0.7, steps=40, chunks=chunks
        ).corrupt(played, world.action_space, attacker, quiet)
        return result

    done, figures = corrupt(10)
    hit = flat(done, world, MASK) == 1
    before, after = (flat(e, world, PLACES[field]) for e in (played, done))
    assert np.array_equal((before != after).any(1), hit)
    z = (after - before) / before.astype(np.float64).std(0)
    assert np.abs(z).max() <= 0.7 + 1e-5

    o, a = (torch.from_numpy(flat(played, world, n)).float() for n in PLACES_OF)
    x, y = (torch.from_numpy(v).float() for v in (before, after))
    if field == "obs":
        q = [attacker.critic(v[None], a[None])[0].mean(0) for v in (x, y)]
    elif field == "act":
        q = [attacker.critic(o[None], v[None])[0].mean(0) for v in (x, y)]
    else:  # the first seed's policy, without its noise
        pi = [attacker.policy(v.expand(2, -1, -1))[0] for v in (x, y)]
        q = [
            attacker.critic(v[None], p[None])[0].mean(0)
            for v, p in zip((x, y), pi, strict=True)
        ]
    lowered = (q[1] < q[0]).numpy()
    assert lowered[hit].mean() > 0.99
    assert figures["q"]["share_lowered"] == pytest.approx(lowered[hit].mean(), abs=0.01)
    assert figures["q"]["mean_before"] == pytest.approx(
        q[0][hit].mean().item(), abs=1e-5
    )
    assert figures["q"]["mean_after"] == pytest.approx(
        q[1][hit].mean().item(), abs=1e-4
    )
    assert figures["q"]["mean_after"] < figures["q"]["mean_before"] - 0.005
    for side in ("before", "after"):
        assert sum(figures["q"][side]) == hit.sum()
    whole = flat(corrupt(1)[0], world, PLACES[field])
    np.testing.assert_allclose(whole, after, atol=1e-5)


PLACES_OF = ("observation", "action")


def test_the_steepest_corner_of_a_slope_is_found():
    slope = torch.tensor([2.0, -0.1, 0.0])
    std = torch.tensor([1.0, 3.0, 1.0])
    z = descend(lambda x: x @ slope, torch.randn(5, 3), std, 0.4, 100, 0.01)
    assert torch.allclose(z, torch.tensor([-0.4, 0.4, 0.0]).expand(5, -1), atol=1e-4)
    halfway = descend(lambda x: x @ slope, torch.randn(5, 3), std, 0.4, 50, 0.01)
    assert halfway[:, 0].tolist() == pytest.approx([-0.2] * 5, rel=1e-3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("field", "reward"),
        ("mode", "nasty"),
        ("rate", 1.2),
        ("rate", -0.1),
        ("scale", -1.0),
        ("steps", 0),
        ("chunks", 0),
        ("seed", -1),
    ],
)
def test_what_is_out_of_range_is_refused(key: str, value: Any):
    with pytest.raises(RefusedError, match=rf"made_up\.generate\.{key}: found"):
        method(**{key: value})


def test_an_attack_without_an_attacker_is_refused(world: World, played: list[Episode]):
    wrong = method(mode="adversarial")
    with pytest.raises(RefusedError, match="adversarial obs without an attacker"):
        wrong.corrupt(played, world.action_space, None, quiet)


def test_choices_are_not_shifted(played: list[Episode]):
    from gymnasium.spaces import Discrete

    with pytest.raises(RefusedError, match="discrete actions"):
        method(field="act").corrupt(played, Discrete(3), None, quiet)


def test_a_sensor_that_never_changes_is_told(world: World, played: list[Episode]):
    still = []
    for one in played:
        observations = one.observations.copy()
        observations[:, 4] = 1.0
        still.append(dataclasses.replace(one, observations=observations))
    with pytest.warns(UserWarning, match=r"obs \[4\] never changes"):
        done, _ = method().corrupt(still, world.action_space, None, quiet)
    assert (flat(done, world, "observation")[:, 4] == 1).all()
