"""One case of each kind and some neighbours; `make hazards` tries them all."""

from pathlib import Path

import pytest

from tests.hazards.every import every
from tests.hazards.project import prepare, tried

FEW = 2  # of each kind, bad and good each
CASES = list(every())


def chosen() -> list[str]:
    """The first bad inputs and neighbours of each kind, each at another door."""
    names: dict[tuple[str, bool], dict[str, str]] = {}
    for case in CASES:
        doors = names.setdefault((case.kind, case.passes), {})
        if len(doors) < FEW:
            doors.setdefault(case.door.name, str(case))
    return [name for doors in names.values() for name in doors.values()]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("hazards") / "prepared")


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen())
def test_what_is_bad_is_refused_and_its_neighbour_passes(
    name: str, prepared: Path, tmp_path: Path
):
    case = next(case for case in CASES if str(case) == name)
    assert tried(case, prepared, tmp_path) == ""


def test_no_two_cases_are_the_same():
    assert len({str(case) for case in CASES}) == len(CASES)
    assert sum(not case.passes for case in CASES) >= 300
