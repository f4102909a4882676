"""Twins on the shared harness, and which of the two is played where."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.recorded import write_world
from tasks.evaluate.engine.world import world_of
from tasks.worlds import require
from tasks.worlds.cores.twin import TwinParams
from tasks.worlds.engine.capabilities import worlds_with
from tasks.worlds.engine.recorded import recorded_world
from tests.worlds.by_hand import FACTORS
from tests.worlds.harness import actions, load


def shown() -> dict[str, Any]:
    """The block that docs/worlds.md shows."""
    text = Path("docs/worlds.md").read_text("utf-8")
    return yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])


def twin(**changes: Any) -> Any:
    """The world of that block, some of its values changed."""
    return build(shown() | changes, "world")


def observed(world: Any, steps: int = 40) -> bytes:
    batch = world.make(2)
    batch.reset(seed=[3, 4])
    plan = actions(world, steps, 2)
    return np.stack([batch.step(action)[0] for action in plan]).tobytes()


def test_factors_are_of_the_real_ones_physics_in_the_simulated_one_too():
    batch = twin().make(2)
    batch.set_params({})
    batch.reset(seed=[3, 4])
    plan = actions(twin(), 40, 2)
    seen = np.stack([batch.step(action)[0] for action in plan])
    assert seen.tobytes() == observed(twin().real)


def test_the_simulated_one_is_gymnasiums_with_half_the_gravity():
    batch = twin().make(1)
    env = gymnasium.make("Pendulum-v1", g=5.0)
    first, _ = batch.reset(seed=[3])
    assert first[0].tobytes() == env.reset(seed=3)[0].tobytes()
    for action in actions(batch.world, 200, 1):
        seen, reward, *_ = batch.step(action)
        after, paid, *_ = env.step(action[0])
        assert seen[0].tobytes() == after.tobytes()
        assert reward[0] == paid


@pytest.mark.parametrize("made_in", ["real", "simulated"])
def test_each_leads_to_both(made_in: str):
    world = twin(made_in=made_in)
    real, simulated = world.real, require(world, "simulated")
    assert observed(real) == observed(load("pendulum"))
    assert observed(simulated) == observed(twin())
    assert observed(real) != observed(simulated)
    assert real.observation_space == simulated.observation_space
    assert real.action_space == simulated.action_space
    own = {"real": real, "simulated": simulated}[made_in]
    assert observed(world) == observed(own)


def test_without_differences_both_are_the_same():
    world = twin(simulated={})
    assert observed(world) == observed(world.real)


def test_any_world_is_its_own_real_one_and_has_no_twin():
    world = load("pendulum")
    assert world.real is world
    with pytest.raises(
        RefusedError, match=r"no simulated, expected .* pendulum.PendulumTwin"
    ):
        require(world, "simulated")


def test_a_twin_has_what_its_world_has_beside_stepping():
    cls = "tasks.worlds.swimmer_omni.SwimmerOmniTwin"
    changes = {"_target_": cls, "env_id": "Swimmer-v5", "max_steps": 20}
    changes["simulated"] = {"mass_mid": 2}
    world = twin(**changes)
    assert require(world, "descriptor_low").tolist() == [-2, -2]
    assert world.real.params.max_steps == 20
    with pytest.raises(RefusedError, match="half_gravity, which has no maze"):
        require(world, "maze")


def test_policies_are_judged_in_the_real_one(tmp_path: Path, monkeypatch: Any):
    """What experience was made in, and what evaluation plays in."""
    block = shown()
    simulated, real = observed(twin()), observed(load("pendulum"))
    monkeypatch.chdir(tmp_path)
    folder = Path("data/datasets/swings-v0")
    folder.mkdir(parents=True)
    write_world(folder, block, 0.05, [])
    made_in, judged_in = recorded_world(folder), world_of("swings")
    assert judged_in.params.name == block["name"]
    assert observed(made_in) == simulated
    assert observed(judged_in) == real


def test_a_recorded_environment_is_the_simulated_one_again():
    """From the text that a dataset keeps of it."""
    world = twin(
        _target_="tasks.worlds.hopper.HopperTwin",
        env_id="Hopper-v5",
        simulated={"friction": 0.3},
        max_steps=30,
    )
    spec = gymnasium.envs.registration.EnvSpec.from_json(world.env_spec().to_json())
    env = gymnasium.make(spec)
    batch = world.make(1)
    batch.reset(seed=[1])
    env.reset(seed=1)
    for action in actions(world, 30, 1) * np.float32(0.1):
        seen, _, terminated, truncated, _ = batch.step(action)
        after, _, *ends, _ = env.step(action[0])
        assert seen[0].tobytes() == after.tobytes()
        assert [terminated[0], truncated[0]] == ends
        if any(ends):
            break
    assert len({observed(world, 9), observed(world.real, 9)}) == 2
    first = env.reset()[0]
    assert first.tobytes() != env.reset()[0].tobytes()  # drawn anew


def test_every_world_whose_physics_can_be_changed_can_have_a_twin():
    pairs = {pair.partition(".")[0] for pair in worlds_with("simulated")}
    assert pairs == set(worlds_with("set_params")) == set(worlds_with("apply_force"))
    assert pairs == set(FACTORS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"simulated": {"graviti": 0.5}},
            r"simulated.graviti: .* did you mean gravity",
        ),
        ({"simulated": {"gravity": -1}}, "simulated.gravity: found -1"),
        ({"simulated": {"gravity": float("nan")}}, "found nan"),
        ({"simulated": {"gravity": [0.5, 0.6]}}, "simulated.gravity"),
        ({"simulated": {"gravity": "low"}}, "found 'low'"),
        ({"simulated": 0.5}, "a mapping"),
        ({"made_in": "dreams"}, "one of real, simulated"),
        ({"env_id": "Taxi-v4"}, "Pendulum-v1"),
    ],
)
def test_bad_twins_are_refused(changes: dict[str, Any], words: str):
    with pytest.raises(RefusedError, match=words):
        twin(**changes)


def test_a_twin_without_its_numbers_is_refused():
    with pytest.raises(RefusedError, match="found nothing"):
        TwinParams.parse({"name": "mine", "env_id": "Hopper-v5"}, "world")
