"""What every world must hold; each test_NAME.py runs it on one world."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build, pick
from tasks.worlds import World, require


def load(which: str, **changes: Any) -> World:
    """The world of params/world/<which>.yaml, some of its values changed."""
    block = yaml.safe_load(Path(f"params/world/{which}.yaml").read_text("utf-8"))
    return build(block | changes, f"world.{which}")


def actions(world: World, steps: int, n: int, seed: int = 5) -> np.ndarray:
    """Uniform actions (steps, n, A), float32 as a policy gives them, or (steps, n)."""
    space = world.action_space
    draw = np.random.default_rng(seed)
    if world.discrete:
        return draw.integers(0, world.action_width, (steps, n))
    return draw.uniform(space.low, space.high, (steps, n, *space.shape)).astype(
        np.float32
    )


class WorldTests:
    """The harness; a subclass names the world."""

    name: str
    terminates = False  # whether random actions end an episode before the time limit
    psi: dict[str, float] = {"mass": 1.5}  # noqa: RUF012
    capabilities: tuple[str, ...] = ("reset_to", "set_params", "apply_force")
    lacks = "answers"  # a capability it has not
    bonus = 0.0  # reward a step beyond Gymnasium's
    short = 60  # steps where no whole episode is needed

    def test_equals_gymnasium_bit_by_bit(self):
        """Whole episodes, observation, reward and end, several starts at once."""
        world = load(self.name)
        limit, seeds = world.params.max_steps, [3, 4, 11, 0, 1]
        batch, plan = world.make(5), actions(world, world.params.max_steps, 5)
        if not world.discrete:
            plan[:, 3:] *= np.float32(0.1)  # gentle ones live longer
        first, _ = batch.reset(seed=seeds)
        steps = [batch.step(plan[t]) for t in range(limit)]
        ended_at = np.zeros(5, int)
        env = gymnasium.make(world.env_spec())
        for i, seed in enumerate(seeds):
            seen, _ = env.reset(seed=seed)
            assert first[i].tobytes() == seen.astype(first.dtype).tobytes()
            for t in range(limit):
                seen, reward, terminated, truncated, _ = env.step(plan[t, i])
                ours = [x[i] for x in steps[t][:4]]
                assert ours[0].tobytes() == seen.tobytes(), (seed, t)
                assert ours[1] == reward + self.bonus, (seed, t)
                assert (ours[2], ours[3]) == (terminated, truncated), (seed, t)
                if terminated or truncated:
                    ended_at[i] = t + 1
                    break
        assert batch.ended.all()
        assert (ended_at < limit).all() == self.terminates

    def test_recipe_has_the_same_spaces(self):
        world = load(self.name)
        env = gymnasium.make(world.env_spec())
        assert env.observation_space == world.observation_space
        assert env.action_space == world.action_space
        assert not isinstance(world.observation_space, gymnasium.spaces.Dict)

    def test_start_depends_on_the_seed_alone(self):
        world = load(self.name)
        batch, other = world.make(3), world.make(1)
        together, _ = batch.reset(seed=[7, 8, 7])
        other.reset(seed=[1])
        other.step(actions(world, 1, 1)[0])
        alone, _ = other.reset(seed=[8])
        assert together[0].tobytes() == together[2].tobytes()
        assert together[1].tobytes() == alone[0].tobytes()
        assert together[0].tobytes() != together[1].tobytes()

    def test_reset_without_seed_is_refused(self):
        with pytest.raises(ValueError, match="seed"):
            load(self.name).make(1).reset()

    def test_time_limit_truncates_and_parks(self):
        world = load(self.name, max_steps=5)
        batch, plan = world.make(2), actions(world, 12, 2)
        batch.reset(seed=[1, 2])
        for t in range(4):
            assert not np.any(batch.step(plan[t])[2:4])
        seen, _, terminated, truncated, infos = batch.step(plan[4])
        assert truncated.all()
        assert not terminated.any()
        for t in range(5, 8):
            later, reward, *flags, state = batch.step(plan[t])
            assert later.tobytes() == seen.tobytes()
            assert not reward.any()
            assert not np.any(flags)
            for key, value in state.items():
                assert value.tobytes() == infos[key].tobytes()
        again, _ = batch.reset(
            seed=[9, 9], options={"reset_mask": np.array([True, False])}
        )
        assert again[0].tobytes() != seen[0].tobytes()
        assert again[1].tobytes() == seen[1].tobytes()
        moved = [batch.step(plan[t])[0] for t in (9, 10, 11)]
        assert any(x[0].tobytes() != again[0].tobytes() for x in moved)
        assert all(x[1].tobytes() == seen[1].tobytes() for x in moved)

    def test_parked_do_not_disturb_the_others(self):
        world = load(self.name)
        batch, alone = world.make(2), world.make(1)
        plan = actions(world, 10, 2)
        batch.reset(seed=[1, 2])
        alone.reset(seed=[2])
        batch.ended[0] = True
        for t in range(10):
            seen = batch.step(plan[t])[0]
            by_itself = alone.step(plan[t, 1:])[0]
        assert seen[1].tobytes() == by_itself[0].tobytes()

    def test_threads_change_nothing(self):
        world = load(self.name)
        one, three = world.make(5), world.make(5)
        three.threads = 3
        plan = actions(world, 15, 5)
        for batch in (one, three):
            batch.reset(seed=[1, 2, 3, 4, 5])
            batch.ended[1] = True
        for action in plan:
            for a, b in zip(one.step(action)[:4], three.step(action)[:4], strict=True):
                assert a.tobytes() == b.tobytes()

    def test_reset_to_continues_the_trajectory(self):
        """MuJoCo's solver starts colder than it did, so not to the last bit."""
        world = load(self.name)
        batch, copy = world.make(2), world.make(2)
        plan = actions(world, 20, 2)
        batch.reset(seed=[1, 2])
        copy.reset(seed=[3, 4])
        for t in range(6):
            batch.step(plan[t])
        seen = require(copy, "reset_to")(batch.state())
        assert np.array_equal(seen, batch.observation)
        assert (copy.steps == 0).all()
        for t in range(6, 12):
            a, b = batch.step(plan[t]), copy.step(plan[t])
            np.testing.assert_allclose(a[0], b[0], rtol=0, atol=1e-5)
            np.testing.assert_allclose(a[1], b[1], rtol=0, atol=1e-5)

    def test_set_params_changes_physics_and_returns(self):
        world = load(self.name)
        plan = actions(world, 8, 1)

        def run(batch: Any) -> bytes:
            batch.reset(seed=[1])
            return np.stack([batch.step(a)[0] for a in plan]).tobytes()

        batch = world.make(1)
        before = run(batch)
        require(batch, "set_params")(self.psi)
        changed = run(batch)
        batch.set_params({})
        assert changed != before
        assert run(batch) == before
        for wrong in ({"mass": 0.0}, {"colour": 2.0}):
            with pytest.raises(RefusedError, match=next(iter(wrong))):
                batch.set_params(wrong)

    def test_termination_fn_agrees_with_stepping(self):
        world = load(self.name)
        batch, plan = world.make(4), actions(world, self.short, 4)
        seen, _ = batch.reset(seed=[1, 2, 3, 4])
        ends = 0
        for action in plan:
            live = ~batch.ended
            after, _, terminated, _, _ = batch.step(action)
            ends_here = require(world, "termination_fn")(seen, action, after)
            assert np.array_equal(ends_here[live], terminated[live])
            ends += int(terminated.sum())
            seen = after
        assert (ends > 0) == self.terminates

    def test_missing_capability_is_refused(self):
        world = load(self.name)
        batch = world.make(1)
        for capability in self.capabilities:
            assert callable(require(batch, capability))
        with pytest.raises(
            RefusedError, match=f"{self.name}, which has no {self.lacks}"
        ):
            require(batch, self.lacks)

    def test_unknown_name_is_refused_with_the_nearest(self):
        with pytest.raises(RefusedError, match=f"did you mean {self.name}"):
            pick({"world": {self.name: {}, "zebra": {}}}, "world", self.name + "x")

    def test_scores(self):
        world = load(self.name)
        ends = np.array([world.params.ref_min, world.params.ref_max])
        np.testing.assert_allclose(world.score(ends), [0, 100])
        with pytest.raises(RefusedError, match="ref_max"):
            load(self.name, ref_max=world.params.ref_min)
