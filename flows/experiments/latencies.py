"""Bring latencies to where their ONNX files came from DVC's cache.

A latency is no output: no hash may depend on it. So `dvc exp apply`, `dvc pull` and the
run cache bring files without theirs. Each states the hash of the file that was timed,
and what was measured here of the same file, in the clone or in a study that is kept in
``data/experiments/``, is copied beside the one that came.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_entry
from tasks.artifacts.stage import run_stage

PAGES = Path("data/experiments")  # a folder a study that ran; git ignores it
PROFILES, ONNX = Path("data/profiles"), Path("data/onnx")
LATENCY, HASH = "latency.json", "onnx_sha256"
EVERY = "*/*/*"  # dataset, learner, variant


def store(folder: Path, place: Path) -> None:
    """Keep the latencies of a study.

    Args:
        folder: Where it ran.
        place: Where they are kept, below ``data/experiments/``.
    """
    for path in (folder / PROFILES).glob(f"{EVERY}/{LATENCY}"):
        kept = place / path.relative_to(folder / PROFILES)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)


def bring(folder: Path, root: Path) -> tuple[int, list[str]]:
    """Copy to files without a latency the one that was measured of the same file.

    Args:
        folder: The clone, or a worktree of it.
        root: The clone, where what was measured lies.

    Returns:
        How many were brought, and the commands that measure what none was found for.

    Raises:
        RefusedError: If a contract is not whole.
    """
    lacking = [*_lacking(folder)]
    known: dict[str, Path] = {}
    if lacking:
        kept = sorted((root / PAGES).glob("*/profiles"), key=_age)
        for place in (*kept, root / PROFILES):  # the newest is the last
            for path in place.glob(f"{EVERY}/{LATENCY}"):
                known[_of(path)] = path
    brought, commands = 0, []
    for place, hashes in lacking:
        found = next((known[one] for one in hashes if one in known), None)
        if found:
            shutil.copyfile(found, place / LATENCY)
            brought += 1
        else:
            dataset, learner, _ = place.parts[-3:]
            named = f"--dataset {dataset} --learner {learner}"
            commands.append(f"python -m tasks.profile {named}")
    return brought, [*dict.fromkeys(commands)]


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _lacking(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders of variants without a latency of their files, and the files' hashes."""
    for static in sorted((folder / PROFILES).glob(f"{EVERY}/static.json")):
        place = static.parent
        files = folder / ONNX / place.relative_to(folder / PROFILES)
        contracts = files.glob("seed-*.json")
        hashes = [read_entry(path, "dvc checkout", HASH, str) for path in contracts]
        path = place / LATENCY
        if hashes and not (path.exists() and _of(path) in hashes):
            yield place, hashes


def _of(path: Path) -> str:
    """The hash of the file that a latency was measured of; empty if it says none."""
    try:
        return str(read_entry(path, "dvc repro", HASH, str))
    except RefusedError:  # the report refuses it, if it is of its study
        return ""


def said(brought: int, commands: Iterable[str]) -> Iterator[str]:
    """What `bring` did, a line each; nothing where no latency lacked."""
    if brought:
        yield f"latencies: {brought} brought in, measured before of the same files"
    if commands := list(commands):
        yield f"latencies are missing; measure them with: {' && '.join(commands)}"


def main() -> None:
    """Bring them to this folder, and say so."""
    for line in said(*bring(Path.cwd(), Path.cwd())):
        print(line, flush=True)  # noqa: T201, a command prints


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
