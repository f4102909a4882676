"""Mend what a killed run left: ``python -m tasks.artifacts.mend [--keep]``.

DVC writes dvc.lock in place after each stage, which takes a third of a second at a
hundred stages; killed just then, it leaves the first part and refuses to start again.
So ``make run`` keeps a copy while it runs (``--keep``), with the commit it belongs to.
If one of the present commit lies there from an earlier run, it is put back where
dvc.lock is not whole. Nothing is lost: what the killed run had finished comes from
DVC's cache. A dvc.lock that is not whole after that is refused.

DVC writes its list of the files that its processes hold in place too, twice a stage;
cut short, it makes DVC refuse every stage. It names processes that run, so without it
only those of other runs in this folder are forgotten.

DVC's run cache has a folder a stage, with a file a run. Killed while it writes one, DVC
leaves a temporary file, which it takes for a run and removes; over the empty folder it
stumbles each time.
"""

import argparse
import fcntl
import json
import time
from contextlib import suppress
from pathlib import Path

from tasks.artifacts.dvc_cache import check_cache
from tasks.artifacts.dvc_lock import (
    LOCK,
    check_lock,
    fault,
    git,
    is_unsettled,
    present_fault,
)
from tasks.artifacts.files import write_text
from tasks.artifacts.ownership import check_outputs
from tasks.artifacts.stage import run_stage

KEPT = Path(".offcut/dvc.lock")
TMP = Path(".dvc/tmp")
RUNS = Path(".dvc/cache/runs")
MOMENT = 2.0  # seconds after which nobody writes a run's file any more


def mend_held_files(folder: Path = TMP) -> None:
    """Remove DVC's list of the files its processes hold, if it is cut short.

    Args:
        folder: DVC's folder of temporary files.
    """
    held, guard = folder / "rwlock", folder / "rwlock.lock"
    if not _is_cut(held):
        return
    # whoever writes it has the guard: what is cut now nobody will write to its end
    with suppress(FileNotFoundError), guard.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not _is_cut(held):
            return
    held.unlink(missing_ok=True)


def _is_cut(path: Path) -> bool:
    """Whether a file is there and is not JSON."""
    try:
        json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def mend_run_cache(folder: Path = RUNS) -> None:
    """Remove half-written runs and empty folders from DVC's run cache.

    What another process may just be writing is waited for.

    Args:
        folder: The run cache.
    """
    before = _leftovers(folder)
    if not before:
        return
    time.sleep(MOMENT)  # another process may just write them
    for path in before & _leftovers(folder):
        with suppress(OSError):  # others have been written there, or cleared it
            if path.is_file():
                path.unlink()
            (path.parent if path.name.startswith(".") else path).rmdir()


def _leftovers(folder: Path) -> set[Path]:
    """Temporary files, and folders of stages without a run."""
    leftovers: set[Path] = set()
    for stage in folder.glob("*/*/"):
        with suppress(FileNotFoundError):  # another process has just cleared it
            runs = list(stage.iterdir())
            temporary = {run for run in runs if run.name.startswith(".")}
            leftovers |= temporary if runs else {stage}
    return leftovers


def put_back() -> None:
    """Put dvc.lock back from the copy of a run that was killed, and drop the copy.

    Only a whole copy of the present commit's time is put back, only over a file that
    is not whole, and not while a merge waits to be settled.
    """
    try:
        mark, _, kept = KEPT.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        KEPT.unlink(missing_ok=True)
        return
    usable = mark == _mark() and not is_unsettled() and not fault(kept)
    if usable and present_fault():
        write_text(LOCK, kept)
        print(f"{LOCK}: half-written by a run that was killed; put back")  # noqa: T201
    KEPT.unlink(missing_ok=True)


def keep() -> None:
    """Keep a copy of dvc.lock with the commit it belongs to, in one file."""
    if LOCK.exists():
        text = LOCK.read_text(encoding="utf-8")
        write_text(KEPT, f"{_mark()}\n{text}")


def _mark() -> str:
    """The first line of a copy."""
    return f"# HEAD {(git(Path(), 'rev-parse', 'HEAD') or 'none').strip()}"


def main() -> None:
    """Mend the three where they need it; refuse what is not fit to be run then.

    DVC asks nobody before it removes outputs, so where a run follows, whether one may
    be the user's is asked here as well.
    """
    options = argparse.ArgumentParser(prog="python -m tasks.artifacts.mend")
    options.add_argument("--keep", action="store_true", help="keep a copy for a run")
    arguments = options.parse_args()
    mend_held_files()
    mend_run_cache()
    put_back()
    check_lock()
    check_cache()
    if arguments.keep:
        check_outputs()
        keep()


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
