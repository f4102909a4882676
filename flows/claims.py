"""Check papers' claims: ``python -m flows.claims [NAME...] [--local]``.

Runs the study of each claim, its bed included, beside the user's files
(``flows.study``), brings ``data/claims/NAME.json`` in and writes docs/claims.md and
docs/claims/. What was computed before comes from the cache, so a run that was killed
goes on where it was.
"""

import argparse
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
from tasks.artifacts.files import read_json, write_json
from tasks.artifacts.names import check_name
from tasks.artifacts.params import check_known
from tasks.artifacts.stage import run_stage
from tasks.artifacts.strict_json import parse_json
from tasks.artifacts.typed_json import check_typed
from tasks.claims.engine.content import CLAIMS, Content
from tasks.claims.engine.pages import write_pages


def studies(root: Path) -> dict[str, str]:
    """The study of each claim there is, by the claim's name.

    Args:
        root: The clone.
    """
    study_of: dict[str, str] = {}
    for path in sorted((root / "params/study").glob("*.yaml")):
        if "claims@claim." not in path.read_text(encoding="utf-8"):
            continue  # composing costs half a second
        text = composed([f"study={path.stem}"], root / "params")
        if not path.stem.endswith("_smoke"):
            study_of |= dict.fromkeys(yaml.safe_load(text)["claim"], path.stem)
    return study_of


def bring(root: Path, commit: str, name: str, seconds: float) -> Mapping[str, Any]:
    """Take a claim's file out of an experiment.

    Args:
        root: The clone, whose file is written.
        commit: The experiment's.
        name: The claim.
        seconds: What the run took; a file with the same figures keeps its own, since
            a run from the cache says nothing of the work.

    Returns:
        The file's content.
    """
    path = root / CLAIMS / f"{name}.json"
    text = git(root, "show", f"{commit}:{CLAIMS.as_posix()}/{name}.json")
    file, mend = f"{path.name} of {commit}", f"make claim NAME={name}"
    try:
        content = parse_json(text)
    except ValueError as error:
        raise RefusedError(file, "content", error, "JSON", mend) from None
    check_typed(content, Content, file, mend)
    before: Mapping[str, Any] = {}
    if path.exists():
        before = read_json(path, mend, dict)
    if before != {**content, "wall_seconds": before.get("wall_seconds")}:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**content, "wall_seconds": round(seconds)})
    return content


def main() -> None:
    """Run the studies one after the other, and bring in what came of each."""
    parser = argparse.ArgumentParser(prog="python -m flows.claims", description=__doc__)
    parser.add_argument("claims", nargs="*", help="default: all there are")
    parser.add_argument(
        "--workers", type=int, default=0, help="at once; default: cores"
    )
    parser.add_argument("--local", action="store_true", help="without Prefect")
    arguments = parser.parse_args()
    for name in arguments.claims:
        check_name(name, "claim", "command line")
    root, study_of = Path.cwd(), studies(Path.cwd())
    for name in arguments.claims:
        check_known(name, study_of, "claim")
    wanted = {name: study_of[name] for name in arguments.claims or study_of}
    names = sorted(set(wanted.values()))
    # all are planned first: a study refuses a clone whose files were changed, and what
    # the first one brings in changes some
    plans = [plan(root, study) for study in names]
    failed, done = [], []
    try:
        for study in plans:
            began = time.monotonic()
            try:
                if arguments.local:
                    study_locally(study, arguments.workers, keep=False)
                else:
                    its = [name for name, of in wanted.items() if of == study.name]
                    title = " ".join(["claim", *its])
                    study_in_prefect(study, arguments.workers, keep=False, title=title)
            except (RefusedError, SystemExit) as error:
                failed.append(f"{study.name}: {error}")
                continue
            done.append((study, time.monotonic() - began))
    finally:
        for study, seconds in done:
            commit = git(root, "rev-parse", experiment(root, study.experiment))
            for name in (n for n, of in study_of.items() if of == study.name):
                content = bring(root, commit, name, seconds)
                say(f"claim {name}: {content['verdict']}")
        write_pages(root)
    if failed:
        raise RefusedError(
            "claims", "studies", "; ".join(failed), "all to end well", "run it again"
        )


def experiment(root: Path, name: str) -> str:
    """The git reference of an experiment, by its name."""
    refs = git(root, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    return next(ref for ref in refs if ref.endswith(f"/{name}"))


if __name__ == "__main__":
    sys.exit(run_stage(main))
