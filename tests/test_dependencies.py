"""What is imported is declared, and what is declared is used."""

import ast
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import imports, tracked_in

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
MAIN = EXTRAS["clone"]
DEV = EXTRAS["dev"]
SEARCH = EXTRAS["qd"]
LOGGERS = EXTRAS["dvclive"] + EXTRAS["mlflow"] + EXTRAS["tensorboard"]
FLOWS = EXTRAS["search"] + EXTRAS["dask"] + EXTRAS["flow"] + EXTRAS["s3"]
# started as programs, loaded by pytest or DVC, or a bound on what prefect brings
COMMANDS = {"dvc", "mypy", "pre-commit", "pytest-timeout", "pytest-xdist", "ruff"}
LOADED = {"diffusers", "dvc-s3", "fastapi", "flask-cors", "scipy", "tensorboard"}
PEERS = {
    "d3rlpy",
    "jax",
}  # in environments of their own, which benchmarks/peer.py makes
OURS = {"tasks", "tests", "benchmarks", "flows", "offcut"}


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def extras(requirements: list[str]) -> set[str]:
    """What extras named in the requirements bring, such as gymnasium[mujoco]."""
    found = set()
    for requirement in map(Requirement, requirements):
        if not requirement.extras:  # it need not be installed
            continue
        brought = map(Requirement, requires(requirement.name) or [])
        found |= {
            canonicalize_name(other.name)
            for other in brought
            for extra in requirement.extras
            if other.marker and other.marker.evaluate({"extra": extra})
            if not other.marker.evaluate({"extra": ""})
        }
    return found


@cache
def imported(folder: str) -> frozenset[str]:
    """Distributions whose modules a folder imports, type checking included."""
    modules: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(str(node.module).split(".")[0])
    modules -= set(sys.stdlib_module_names) | OURS
    if folder == "benchmarks":
        modules -= PEERS
    owners = {"mlflow": ["mlflow-skinny"], **packages_distributions()}
    return frozenset(canonicalize_name(min(owners.get(m, [m]))) for m in modules)


@pytest.mark.parametrize(
    ("folder", "declared"),
    [
        ("tasks", MAIN + SEARCH + LOGGERS),
        ("flows", MAIN + FLOWS),
        ("benchmarks", MAIN),
        ("tests", MAIN + DEV + FLOWS + SEARCH + LOGGERS),
    ],
)
def test_what_is_imported_is_declared(folder: str, declared: list[str]):
    assert imported(folder) - names(declared) - extras(declared) == set()


def test_what_is_declared_is_used():
    assert names(MAIN) - imported("tasks") - COMMANDS - LOADED == set()
    assert names(SEARCH + LOGGERS) - imported("tasks") - LOADED == set()
    assert names(FLOWS) - imported("flows") - LOADED == set()
    assert names(DEV) - imported("tests") - COMMANDS - LOADED == set()


def test_the_stages_need_neither_tools_nor_orchestrator():
    assert names(DEV + FLOWS) & imported("tasks") == set()


def test_the_runtime_stands_by_itself():
    """It is all a wheel holds, so it imports nothing else of the project."""
    asked = {"gymnasium"}  # by `offcut play`, which says so where it is missing
    assert imported("offcut") == names(RUNTIME) | asked
    assert names(RUNTIME) <= names(MAIN)
    modules = [name for p in tracked_in("offcut") for name in imports(p)]
    assert {name.split(".")[0] for name in modules} & (OURS - {"offcut"}) == set()
    assert PROJECT["tool"]["setuptools"]["packages"] == ["offcut"]
