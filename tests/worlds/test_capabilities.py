"""What a world is said to be capable of is read from the batch class it names."""

from pathlib import Path

import pytest

from tasks.worlds.engine.capabilities import worlds_with
from tests.worlds.harness import load

# a logged world is that of its dataset, of which there is none here
NAMES = {path.stem for path in Path("params/world").glob("*.yaml")} - {"logged"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_world_makes_batches_of_the_class_it_names(name: str):
    world = load(name)
    batch = world.make(1)
    try:
        assert type(batch) is type(world).batch
    finally:
        batch.close()


def test_worlds_that_can_be_put_into_a_state_are_named():
    can = set(worlds_with("reset_to"))
    assert {"dynamical_linear_bandit", "risky_gridworld", "two_step", "taxi"} <= can
