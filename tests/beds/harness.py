"""Beds of the studies' params, some values changed, and what they leave."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.params import build
from tasks.beds.__main__ import main
from tasks.claims import Claim, ClaimParams
from tasks.claims.cores import samplers
from tasks.claims.engine.results import BedResults, JobResult, Results
from tests.claims.results_files import RETURNS

ROOT = Path(__file__).parents[2]


@cache
def study(name: str) -> dict[str, Any]:
    """A composed study."""
    params: dict[str, Any] = yaml.safe_load(
        composed([f"study={name}"], ROOT / "params")
    )
    return params


def block(name: str, **changed: Any) -> dict[str, Any]:
    """A bed's block in the study of its name, some values changed."""
    return deepcopy(study(name)["bed"][name]) | changed


def bed(name: str, **changed: Any) -> Any:
    """That bed."""
    return build(block(name, **changed), f"bed.{name}")


def claim(name: str, **changed: Any) -> Any:
    """The claim of that name, as in its study."""
    found: Claim[ClaimParams] = build(study(name)["claim"][name] | changed, "claim")
    return found


def run(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any
) -> BedResults:
    """The stage's command in a folder, and what it wrote."""
    monkeypatch.chdir(root)
    params = {"bed": {name: block(name, **changed)}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr("sys.argv", ["tasks.beds", "--bed", name])
    main()
    described = getattr(import_module(f"tasks.claims.{name}"), "Bed", samplers.Bed)
    return Results({}, root / "data").bed(name, described)


def made_up(
    parameters: Mapping[str, Any], jobs: Mapping[str, tuple[Mapping[str, Any], Any]]
) -> BedResults:
    """What a bed might have left: settings and result of each job, by its name."""
    results = [JobResult(name, *job) for name, job in jobs.items()]
    return BedResults(parameters, results)


def results(root: Path, **study: Any) -> Results:
    """Of a study that made nothing but its bed."""
    lists = {"datasets": [], "policies": [], "variants": []}
    params = {"study": {"seeds": [0], **lists, **study}}
    return Results({**params, "evaluate": {"returns": RETURNS}}, root)
