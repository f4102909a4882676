"""A method's parameters come from the square brackets of its base."""

from abc import ABC
from dataclasses import dataclass
from typing import Annotated, TypeVar

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import Method
from tasks.artifacts.params import Params, Range

P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Rate(Params):
    rate: Annotated[float, Range(0, 1)]


class Room(Method[P], ABC):
    """As a room's base: its methods say which parameters."""


class Slow(Room[Rate]):
    pass


class Slower(Slow):
    pass


def test_a_method_has_the_parameters_its_base_names():
    assert Slow.Parameters is Rate
    assert Slower.Parameters is Rate
    assert Slow(Slow.Parameters.parse({"rate": 0.5}, "x")).params == Rate(0.5)


def test_an_open_base_has_none():
    assert not hasattr(Method, "Parameters")
    assert not hasattr(Room, "Parameters")


def test_a_block_is_checked_with_them():
    with pytest.raises(RefusedError, match=r"x.rate: found 2.0, expected \[0, 1\]"):
        Slow.Parameters.parse({"rate": 2.0}, "x")
