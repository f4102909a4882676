"""States the policy visits, for every compressor that may be calibrated on them."""

from typing import Any

import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.compress.cores.visits import visits
from tasks.nets.policy import take
from tests.compress.harness import (
    make_compressor,
    make_pendulum,
    make_policy,
    make_rows,
    same_tensors,
)
from tests.nets.diffusions import diffusion
from tests.nets.transformers import transformer

VISITING = ("int8_static", "gptq4", "qat4", "structured")
SMALL: dict[str, dict[str, Any]] = {"qat4": {"steps": 5}, "structured": {"steps": 5}}


def pendulum_policy():
    return make_policy((24, 24), observation=3, action=1)


def pendulum_rows(**extra: Any):
    return make_rows(width=3, world=make_pendulum(), **extra)


@pytest.mark.parametrize("name", VISITING)
def test_visited_states_calibrate_otherwise_than_rows(name: str):
    policy, rows = pendulum_policy(), pendulum_rows()
    rows.observations.mul_(0.2)  # so that ranges differ too
    found = {}
    for states in ("data", "both", "visited"):
        compressor = make_compressor(name, **SMALL.get(name, {}), states=states)
        assert compressor.visits_world == (states != "data")
        found[states] = compressor.compress(policy, rows)
    small = {states: policy for states, (policy, _) in found.items()}
    assert not same_tensors(small["data"], small["both"])
    assert not same_tensors(small["data"], small["visited"])
    said = {states: r["calibration"]["what"] for states, (_, r) in found.items()}
    assert said["both"].endswith("; half of them visited by the policy itself")
    assert said["visited"].endswith("; all of them visited by the policy itself")
    assert "visited" not in said["data"]


@pytest.mark.parametrize("name", VISITING)
def test_without_a_world_both_is_rows_alone_and_says_so(name: str):
    policy, rows = pendulum_policy(), make_rows(width=3)
    small = SMALL.get(name, {})
    both, report = make_compressor(name, **small, states="both").compress(policy, rows)
    data, _ = make_compressor(name, **small, states="data").compress(policy, rows)
    assert same_tensors(both, data)
    said = report["calibration"]["what"]
    assert said.endswith("on dataset rows alone, as there is no world to play in")


@pytest.mark.parametrize("name", [*VISITING, "distill"])
def test_visited_states_alone_need_a_world(name: str):
    message = r"states: found visited, expected data: this dataset has no world to play"
    with pytest.raises(RefusedError, match=message) as caught:
        make_compressor(name, states="visited").compress(
            pendulum_policy(), make_rows(width=3)
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["int8_static", "gptq4"])
def test_seed_k_alone_is_seed_k_of_the_stack_bit_for_bit(name: str):
    policy, compressor = pendulum_policy(), make_compressor(name, states="both")
    stacked, _ = compressor.compress(policy, pendulum_rows())
    again, _ = compressor.compress(policy, pendulum_rows())
    alone, _ = compressor.compress(take(policy, 2), pendulum_rows(seeds=(2,)))
    assert same_tensors(stacked, again)
    assert same_tensors(take(stacked, 2), alone)


def test_states_are_drawn_evenly_from_whole_episodes():
    policy, world = pendulum_policy(), make_pendulum()
    (inputs, carry) = visits(world, policy, (0, 1, 2), "test", 300)
    states = inputs["observation"]
    assert (states.shape, carry) == ((3, 300, 3), {})
    every = visits(world, policy, (0, 1, 2), "test", 800)[0]["observation"]
    for some, whole in zip(states, every, strict=True):
        at = [int((whole == state).all(1).nonzero()[0, 0]) for state in some]
        assert at == sorted(at)  # in the order of time
        assert len(set(at)) == 300
        late = sum(place >= 400 for place in at)  # of 4 x 200 steps
        assert 120 < late < 180


def test_more_states_than_an_episode_has_take_more_episodes():
    found = visits(make_pendulum(), pendulum_policy(), (0, 1, 2), "test", 1000)
    states = found[0]["observation"]
    assert states.shape == (3, 1000, 3)
    assert all(len(states[k].unique(dim=0)) == 1000 for k in range(3))


def test_a_policy_with_a_memory_is_met_with_what_it_carries():
    policy, world = transformer(), make_pendulum()
    inputs, carry = visits(world, policy, (0, 1), "test", 24, envs=2, steps=12)
    assert inputs["observation"].shape == (2, 24, 3)
    assert set(carry) == set(policy.carry())
    steps = {n: x.view(2, 12, 2, *x.shape[2:]) for n, x in carry.items()}
    given = {n: x.view(2, 12, 2, -1) for n, x in inputs.items()}
    for t in range(11):  # what it carries on is what it has at the next step
        now = {n: x[:, t] for n, x in steps.items()}
        _, after = policy.step({n: x[:, t] for n, x in given.items()}, now)
        for name, value in after.items():
            torch.testing.assert_close(value, steps[name][:, t + 1])


def test_a_policy_that_samples_acts_under_seeded_noise():
    policy, world = diffusion(2, observation=3, action=1), make_pendulum()
    first, again = (visits(world, policy, (0, 1, 2), "test", 50)[0] for _ in range(2))
    assert first["noise"].std() == pytest.approx(1, abs=0.2)
    assert all(torch.equal(x, again[name]) for name, x in first.items())
