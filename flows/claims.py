"""Check papers' claims: ``python -m flows.claims [NAME...] [--local]``.

Runs the study of each claim beside the user's files (``flows.study``), brings
``data/claims/NAME.json`` in and writes docs/claims.md. What was computed before comes
from the cache, so a run that was killed goes on where it was.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flows.experiments.experiment import git
from flows.experiments.plan import plan
from flows.study import say, study_in_prefect, study_locally
from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_json
from tasks.artifacts.params import check_known
from tasks.artifacts.stage import run_stage
from tasks.claims.engine.page import CLAIMS
from tasks.claims.engine.page import main as write_page


def studies(root: Path) -> dict[str, str]:
    """The study of each claim there is.

    Args:
        root: The clone.
    """
    found: dict[str, str] = {}
    for path in sorted((root / "params/study").glob("*.yaml")):
        if "claims@claim." not in path.read_text(encoding="utf-8"):
            continue  # composing costs half a second
        text = composed([f"study={path.stem}"], root / "params")
        if not path.stem.endswith("_smoke"):
            found |= dict.fromkeys(yaml.safe_load(text)["claim"], path.stem)
    return found


def bring(root: Path, commit: str, name: str, seconds: float) -> dict[str, Any]:
    """Take a claim's file out of an experiment.

    Args:
        root: The clone, whose file is written.
        commit: The experiment's.
        name: The claim.
        seconds: What the run took; a file with the same figures keeps its own, since
            a run from the cache says nothing of the work.
    """
    path = root / CLAIMS / f"{name}.json"
    text = git(root, "show", f"{commit}:{CLAIMS.as_posix()}/{name}.json")
    found: dict[str, Any] = json.loads(text)
    before: Mapping[str, Any] = {}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
    if before != {**found, "wall_seconds": before.get("wall_seconds")}:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**found, "wall_seconds": round(seconds)})
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m flows.claims", description=__doc__)
    parser.add_argument("claims", nargs="*", help="default: all there are")
    parser.add_argument(
        "--workers", type=int, default=0, help="at once; default: cores"
    )
    parser.add_argument("--local", action="store_true", help="without Prefect")
    given = parser.parse_args()
    root, where = Path.cwd(), studies(Path.cwd())
    for name in given.claims:
        check_known(name, where, "claim")
    wanted = sorted({where[name] for name in given.claims or where})
    # all are planned first: a study refuses a clone whose files were changed, and what
    # the first one brings in changes some
    planned = [plan(root, study) for study in wanted]
    failed, came = [], []
    run = study_locally if given.local else study_in_prefect
    try:
        for one in planned:
            began = time.monotonic()
            try:
                run(one, given.workers, keep=False)
            except (RefusedError, SystemExit) as error:
                failed.append(f"{one.name}: {error}")
                continue
            came.append((one, time.monotonic() - began))
    finally:
        for one, seconds in came:
            commit = git(root, "rev-parse", experiment(root, one.experiment))
            for name in (n for n, study in where.items() if study == one.name):
                found = bring(root, commit, name, seconds)
                say(f"claim {name}: {found['verdict']}")
        write_page()
    if failed:
        raise RefusedError(
            "claims", "studies", "; ".join(failed), "all to end well", "run it again"
        )


def experiment(root: Path, name: str) -> str:
    """The ref of an experiment."""
    refs = git(root, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    return next(ref for ref in refs if ref.endswith(f"/{name}"))


if __name__ == "__main__":
    sys.exit(run_stage(main))
