"""Cases of each kind and their neighbours; `make hazards` tries them all."""

from pathlib import Path

import pytest

from tests.hazards.case import Case
from tests.hazards.every import every
from tests.hazards.project import prepare, tried

CASES = {str(case): case for case in every()}
BAD = (
    "parameters: dataset.pendulum_mixture.generate.parts = [] at generate",
    "parameters: train.bc.actor_rate = 2 at train",
    "parameters: params.yaml: a Python object at check",
    "names: dataset: a glob at generate",
    "command lines: --learner=/etc/passwd at train",
    "command lines: --dataset=../../../etc at compress",
    "datasets: main_data.hdf5: cut at train",
    "datasets: a bit at 60% at compress",
    "policies: policy.class = 'os.system' at compress",
    "policies: schema = 99 at export",
    "contracts: a list at evaluate",
    "contracts: cut at profile",
    "ONNX files: a custom domain at evaluate",
    "ONNX files: external data above at profile",
    "tables: episodes: a column less at report",
    "locks: dvc.lock: conflict markers at graph",
    "disks: no room at train",
    "disks: a file in the output's place at generate",
    "disks: a file in the place of its folder at train",
)
GOOD = 2  # neighbours of each kind, each at another door


def chosen() -> list[str]:
    """The bad inputs above, and the first neighbours of each kind."""
    names: dict[str, dict[str, str]] = {}
    for case in CASES.values():
        doors = names.setdefault(case.kind, {})
        if case.passes and len(doors) < GOOD:
            doors.setdefault(case.door.name, str(case))
    return [*BAD, *(name for doors in names.values() for name in doors.values())]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("hazards") / "prepared")


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen())
def test_what_is_bad_is_refused_and_its_neighbour_passes(
    name: str, prepared: Path, tmp_path: Path
):
    assert tried(CASES[name], prepared, tmp_path) == ""


def test_every_kind_has_many_cases_and_some_of_the_suite():
    assert len(CASES) == len(list(every()))
    assert sum(not case.passes for case in CASES.values()) >= 300

    def kinds(cases: list[Case]) -> set[str]:
        return {case.kind for case in cases}

    assert kinds([CASES[name] for name in BAD]) == kinds(list(CASES.values()))
