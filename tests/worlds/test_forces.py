"""Outer forces, step by step against forces that were given to Gymnasium by hand."""

from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tests.worlds.by_hand import MUJOCO, by_hand
from tests.worlds.harness import actions, load


def pushed_by_hand(name: str, env: Any, action: Any, force: np.ndarray) -> Any:
    """Gymnasium's step with an outer force; its own means, not ours."""
    bare = env.unwrapped
    if name == "cartpole":  # its push to the right is +force_mag, to the left -
        before = bare.force_mag
        bare.force_mag += force[0] if action == 1 else -force[0]
        seen = env.step(action)
        bare.force_mag = before
        return seen
    bodies = load(name).force_names  # type: ignore[attr-defined]
    for label, newton in zip(bodies, force, strict=True):
        body, axis = label.rsplit("_", 1)
        bare.data.xfrc_applied[bare.model.body(body).id, "xyz".index(axis)] = newton
    seen = env.step(action)
    bare.data.xfrc_applied[:] = 0
    return seen


@pytest.mark.parametrize("name", ["cartpole", *MUJOCO])
def test_a_push_equals_one_by_hand_and_ends_with_its_step(name: str):
    world: Any = load(name)
    width = len(world.force_names)
    batch = world.make(2)
    plan = actions(world, 8, 2) * (1 if world.discrete else np.float32(0.3))
    force = np.random.default_rng(1).uniform(-3, 3, (2, width))
    env = by_hand(name, {})
    seen, _ = batch.reset(seed=[4, 4])
    env.reset(seed=4)
    quiet = by_hand(name, {})
    quiet.reset(seed=4)
    for t, action in enumerate(plan):
        asked = force * np.array([[t in (2, 3)], [0]])  # slice 1: a force of zero
        if t in (2, 3, 5):
            batch.apply_force(asked)
        seen = batch.step(np.stack([action[0], action[0]]))[0]
        ours = pushed_by_hand(name, env, action[0], asked[0])[0]
        assert seen[0].tobytes() == ours.tobytes(), t
        assert seen[1].tobytes() == quiet.step(action[0])[0].tobytes(), t
    assert seen[0].tobytes() != seen[1].tobytes()


def test_a_torque_on_the_pendulum_adds_to_the_motor_and_costs_nothing():
    """By Gymnasium's environment with the sum as its action, within the limit."""
    batch: Any = load("pendulum").make(1)
    env: Any = by_hand("pendulum", {})
    batch.reset(seed=[4])
    env.reset(seed=4)
    for torque, outer in ((0.5, 0.6), (-1.0, -0.6), (0.7, 0.0), (1.9, -3.0)):
        batch.apply_force(np.array([[outer]]))
        seen, reward, *_ = batch.step(np.array([[torque]]))
        after, paid, *_ = env.step(np.array([torque + outer]))
        np.testing.assert_allclose(seen[0], after, rtol=1e-6)
        more = 0.001 * ((torque + outer) ** 2 - torque**2)
        assert reward[0] == pytest.approx(paid + more)


def test_the_motors_limit_does_not_hold_back_an_outer_torque():
    batch: Any = load("pendulum").make(2)
    batch.reset(seed=[4, 4])
    batch.apply_force(np.array([[0.0], [0.6]]))
    speeds = batch.step(np.array([[2.0], [2.0]], np.float32))[0][:, 2]
    assert speeds[1] - speeds[0] == pytest.approx(3 * 0.6 * 0.05, rel=1e-5)


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "hopper"])
def test_a_force_asked_for_before_a_reset_is_dropped(name: str):
    world: Any = load(name)
    plan = actions(world, 2, 1)

    def run(batch: Any) -> bytes:
        batch.reset(seed=[1])
        return np.stack([batch.step(a)[0] for a in plan]).tobytes()

    batch = world.make(1)
    before = run(batch)
    batch.apply_force(np.full((1, len(world.force_names)), 2.0))
    assert run(batch) == before
    batch.apply_force(np.full((1, len(world.force_names)), 2.0))
    batch.apply_force(np.zeros((1, len(world.force_names))))  # replaces the first
    assert run(batch) == before


def test_threads_change_nothing_where_slices_differ():
    world = load("hopper")
    results = []
    for threads in (1, 3):
        batch: Any = world.make(5)
        batch.threads = threads
        batch.set_params({"friction": np.linspace(0.2, 2.0, 5)})
        batch.reset(seed=[1, 2, 3, 4, 5])
        for t, action in enumerate(actions(world, 10, 5)):
            if t % 2:
                batch.apply_force(np.full((5, 2), float(t)))
            results.append(batch.step(action)[0].tobytes())
    assert results[:10] == results[10:]


@pytest.mark.parametrize(
    ("force", "words"),
    [
        (np.zeros((3, 2)), r"shape \(3, 2\)"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.array([[0.0], [np.nan], [0.0]]), "row 1"),
        (np.array([[0.0], [0.0], [np.inf]]), "row 2"),
        (np.array([["a"], ["b"], ["c"]]), "shape"),
    ],
)
def test_wrong_forces_are_refused(force: Any, words: str):
    batch: Any = load("pendulum").make(3)
    with pytest.raises(RefusedError, match=words):
        batch.apply_force(force)
    assert not batch.pushed
