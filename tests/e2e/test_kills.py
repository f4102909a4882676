"""A kill at a random moment at several doors; `python -m benchmarks.doors` has more."""

import random

import pytest

from benchmarks.clones import Place
from benchmarks.doors import kill

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("kills") / "clone", light=True)


@pytest.mark.parametrize(
    "door",
    ["dvc repro, its tree", "dvc repro alone", "make run, its tree", "flow alone"],
)
def test_killed_at_a_random_moment_it_ends_with_the_same_bytes(place: Place, door: str):
    """`kill` starts the run again, and compares what it leaves."""
    chance = random.Random(door)  # noqa: S311
    while not kill(door, place, chance.uniform(0.2, 0.8) * place.seconds):
        pass  # it had ended before
