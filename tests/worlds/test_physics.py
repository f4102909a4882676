"""Changed physics, step by step against environments built by hand."""

import itertools
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tests.worlds.by_hand import ATTRIBUTES, FACTORS, by_hand
from tests.worlds.harness import actions, load

STEPS = 200  # compared, over as many episodes as they take


def slices(name: str) -> list[dict[str, float]]:
    factors = FACTORS[name]
    return [{}, *({k: v} for k, v in factors.items()), factors]


def table(psis: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """As ``set_params`` takes it: (N,) by name."""
    names = {name for psi in psis for name in psi}
    return {name: np.array([psi.get(name, 1.0) for psi in psis]) for name in names}


def compare(batch: Any, envs: list[Any], bonus: float = 0.0) -> None:
    """Episode by episode, until every slice was compared for STEPS steps."""
    compared = np.zeros(len(envs), int)
    world = batch.world
    for seed in itertools.count(5):
        plan = actions(world, STEPS, len(envs), seed)
        seen, _ = batch.reset(seed=[seed] * len(envs))
        for env, ours in zip(envs, seen, strict=True):
            assert ours.tobytes() == env.reset(seed=seed)[0].tobytes()
        for t in range(STEPS):
            live = ~batch.ended
            ours = batch.step(plan[t])
            for i in map(int, np.flatnonzero(live)):
                after, reward, *ends, _ = envs[i].step(plan[t, i])
                assert ours[0][i].tobytes() == after.tobytes(), (i, seed, t)
                assert ours[1][i] == reward + bonus, (i, seed, t)
                assert [ours[2][i], ours[3][i]] == ends, (i, seed, t)
            compared += live
            if batch.ended.all():
                break
        if compared.min() >= STEPS:
            return


@pytest.mark.parametrize("name", FACTORS)
def test_each_slice_equals_an_environment_built_by_hand(name: str):
    """To the last bit, nominal slices too; episodes after the first keep the psi."""
    psis = slices(name)
    batch: Any = load(name).make(len(psis))
    batch.set_params(table(psis))
    envs = [by_hand(name, psi) for psi in psis]
    compare(batch, envs, bonus=1.0 if name == "swimmer_omni" else 0.0)


@pytest.mark.parametrize("name", FACTORS)
def test_changing_a_slice_leaves_the_others_alone(name: str):
    """Also in the middle of an episode, and where it is changed back."""
    world = load(name)
    batch: Any = world.make(3)
    alone: Any = world.make(3)
    plan = actions(world, 12, 3) * (1 if world.discrete else np.float32(0.3))
    batch.reset(seed=[1, 2, 3])
    alone.reset(seed=[1, 2, 3])
    changes = {3: 1, 6: 2}  # at which step, which slice
    for t, action in enumerate(plan):
        if t in changes:
            factors = np.ones(3)
            factors[changes[t]] = 3.0
            batch.set_params({next(iter(FACTORS[name])): factors})
        ours, kept = batch.step(action)[0], alone.step(action)[0]
        assert ours[0].tobytes() == kept[0].tobytes()
    assert ours[1].tobytes() != kept[1].tobytes()
    assert ours[2].tobytes() != kept[2].tobytes()
    batch.set_params({})
    batch.reset(seed=[1, 2, 3])
    alone.reset(seed=[1, 2, 3])
    for action in plan:
        ours, kept = batch.step(action)[0], alone.step(action)[0]
        assert ours.tobytes() == kept.tobytes()


def test_a_heavier_body_is_one_of_denser_matter(tmp_path: Path):
    """Gymnasium's model file, its densities edited; MuJoCo derives the rest."""
    spec = mujoco.MjSpec.from_file(load("hopper").single().fullpath)  # type: ignore[attr-defined]
    for geom in spec.body("thigh").geoms:
        geom.density *= 1.7
    (tmp_path / "denser.xml").write_text(spec.to_xml(), "utf-8")
    denser = gymnasium.make("Hopper-v5", xml_file=str(tmp_path / "denser.xml"))
    batch: Any = load("hopper").make(1)
    batch.set_params({"mass_thigh": 1.7})
    batch.reset(seed=[2])
    denser.reset(seed=2)
    for action in actions(batch.world, 15, 1):
        seen = denser.step(action[0])[0]
        np.testing.assert_allclose(batch.step(action)[0][0], seen, rtol=1e-6, atol=1e-8)


def test_equal_slices_share_a_model():
    batch: Any = load("hopper").make(4)
    batch.set_params({"mass": np.array([1.0, 2.0, 2.0, 1.0])})
    one, two, three, four = batch._models
    assert one is four
    assert two is three
    assert one is not two


def test_start_in_a_given_state_keeps_the_physics():
    batch: Any = load("hopper").make(2)
    batch.set_params({"gravity": np.array([1.0, 0.3])})
    start = {"qpos": np.zeros((2, 6)), "qvel": np.zeros((2, 6))}
    start["qpos"][:, 1] = 2.0  # m, above the floor
    batch.reset_to(start)
    batch.step(np.zeros((2, 3), np.float32))
    fallen = batch.qvel[:, 1]
    assert fallen[1] == pytest.approx(0.3 * fallen[0], rel=1e-6)


WRONG: dict[str, tuple[Any, str]] = {
    "unknown": ({"graviti": 2.0}, "did you mean gravity"),
    "none at all": ({"colour": 2.0}, "unknown physical parameter"),
    "negative": ({"gravity": -1.0}, "found -1.0"),
    "massless": ({"mass": 0.0}, r"in \[0.01, 100\]"),
    "huge": ({"mass": 1e3}, "found 1000"),
    "NaN": ({"mass": float("nan")}, "found nan"),
    "NaN of a slice": ({"mass": np.array([1.0, np.nan, 1.0])}, "found nan"),
    "shape": ({"mass": np.ones(2)}, "each of 3"),
    "matrix": ({"mass": np.ones((3, 1))}, "each of 3"),
    "text": ({"mass": "heavy"}, "found 'heavy'"),
    "truth": ({"mass": True}, "found True"),
    "no mapping": (2.0, "a mapping"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["pendulum", "hopper"])
def test_wrong_parameters_are_refused_and_change_nothing(name: str, wrong: str):
    psi, words = WRONG[wrong]
    batch: Any = load(name).make(3)
    batch.set_params({"mass": 2.0})
    with pytest.raises(RefusedError, match=words):
        batch.set_params(psi)
    assert batch.psi["mass"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", FACTORS)
def test_worlds_declare_what_gymnasium_has(name: str):
    world: Any = load(name)
    env = by_hand(name, {}).unwrapped
    for key, parameter in world.physics.items():
        if name in ATTRIBUTES:
            assert parameter.nominal == getattr(env, ATTRIBUTES[name][key])
        elif key.startswith("mass_"):
            assert parameter.nominal == env.model.body(key[5:]).mass[0]
    assert 1.0 in world.physics["mass"].factors
    assert world.force_space(0.5).shape == (len(world.force_names),)
