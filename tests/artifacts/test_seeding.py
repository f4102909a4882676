"""Seeds of chance: published numbers stand on these bits."""

import pytest

from tasks.artifacts.seeding import (
    FIRST_START,
    chance,
    episode_generator,
    generator,
    seed_of,
    start_seed,
    torch_chance,
)


def test_no_bit_has_changed():
    assert generator(3, "actor").initial_seed() == 5809484140552518969
    assert seed_of(3, "actor") == 726185518642806695
    assert torch_chance(1, "a", 2).initial_seed() == seed_of(1, "a", 2)
    assert chance(1, "a", 2).integers(2**40) == 42216760188
    assert start_seed(100, 99, 7) == 2083641831
    assert episode_generator(2, 1, 3).integers(2**40) == 718446905582


@pytest.mark.parametrize("parts", [(0,), (7, "start"), ("word", 2**40)])
def test_hashed_seeds_lie_above_those_of_training(parts: tuple[object, ...]):
    assert FIRST_START <= seed_of(*parts) < FIRST_START + 2**60


def test_episodes_parts_and_datasets_share_no_start_seed():
    assert start_seed(0, 0, 99_999) < start_seed(0, 1, 0)
    assert start_seed(0, 99, 99_999) < start_seed(1, 0, 0)
