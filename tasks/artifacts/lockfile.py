"""Mend what a killed run left half-written: dvc.lock and two of DVC's own files.

DVC writes dvc.lock in place after each stage, which takes a third of a second at a
hundred stages; killed just then, it leaves the first part and refuses to start again.
So ``make run`` keeps a copy while it runs. If one lies there from an earlier run,
``python -m tasks.artifacts.lockfile`` puts it back where dvc.lock is not whole.
Nothing is lost: what the killed run had finished comes from DVC's cache.

DVC writes its list of the files that its processes hold in place too, twice a stage;
cut short, it makes DVC refuse every stage. It names processes that run, so without it
only those of other runs in this folder are forgotten.

DVC's run cache has a folder a stage, with a file a run. Killed while it writes one, DVC
leaves a temporary file, which it takes for a run and removes; over the empty folder it
stumbles each time.
"""

import fcntl
import json
import time
from contextlib import suppress
from pathlib import Path

import yaml

from tasks.artifacts.files import write_text
from tasks.artifacts.stage import run_stage

LOCK, KEPT = Path("dvc.lock"), Path(".offcut/dvc.lock")
TMP = Path(".dvc/tmp")
RUNS = Path(".dvc/cache/runs")
MOMENT = 2.0  # seconds after which nobody writes a run's file any more


def is_whole(text: str, before: str) -> bool:
    """Whether a dvc.lock was written to its end.

    Args:
        text: What the file holds.
        before: What it held when the run began; a run removes no stage.
    """
    try:
        stages = yaml.safe_load(text)["stages"]
        missing = yaml.safe_load(before)["stages"].keys() - stages.keys()
        last = list(stages.values())[-1:]
        ends = all(list(stage)[-1] == "outs" for stage in last)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, IndexError):
        return False
    return ends and not missing and text.endswith("\n")


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


def main() -> None:
    """Mend the three where they need it, and say so if dvc.lock was put back."""
    mend_held_files()
    mend_run_cache()
    if not KEPT.exists():
        return
    before = KEPT.read_text(encoding="utf-8")
    text = LOCK.read_text(encoding="utf-8", errors="replace") if LOCK.exists() else ""
    if not is_whole(text, before):
        write_text(LOCK, before)
        print(f"{LOCK}: half-written by a run that was killed; put back")  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
