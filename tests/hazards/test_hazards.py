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
    "parameters: params.yaml: aliases that grow at graph",
    "parameters: params.yaml: a date at graph",
    "parameters: params/study: merges that grow at compose",
    "parameters: dataset.pendulum_mixture.method = '../mixture' at generate",
    "parameters: train.bc.actor_rate = inf at train",
    "parameters: study.seeds = '0' at profile",
    "names: dataset: a glob at generate",
    "names: dataset: a way up at check",
    "names: study.name: an option at graph",
    "command lines: --learner=/etc/passwd at train",
    "command lines: --dataset=../../../etc at compress",
    "datasets: main_data.hdf5: cut at train",
    "datasets: a bit at 60% at compress",
    "datasets: an external link at train",
    "datasets: world.json world.env_id = None at train",
    "datasets: world.json world._target_ = 'tasks.worlds.x.X' at train",
    "datasets: a user's folder in its place at generate",
    "policies: policy.class = 'os.system' at compress",
    "policies: schema = 99 at export",
    "policies: NaN weights at export",
    "policies: origin.seeds = [0, 1, 2] at compress",
    f"policies: origin.dataset_sha256 = {'0' * 64!r:.25} at export",
    "contracts: a list at evaluate",
    "contracts: cut at profile",
    "ONNX files: a custom domain at evaluate",
    "ONNX files: external data above at profile",
    "ONNX files: a function of its own at evaluate",
    "ONNX files: NaN weights at profile",
    "ONNX files: a behaviour's weights inf at generate",
    "tables: episodes: a column less at report",
    "locks: dvc.lock: conflict markers at graph",
    "locks: dvc.lock: cut at 60% at graph",
    "locks: dvc.yaml: aliases that grow at graph",
    "disks: no room at train",
    "disks: a file in the output's place at generate",
    "disks: a file in the place of its folder at train",
    "disks: a folder of the user's at export",
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
