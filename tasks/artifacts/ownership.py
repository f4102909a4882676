"""Whether what lies in an output's place was made here, or may be the user's.

DVC removes a stage's outputs before its command starts, whatever they are. A folder the
user put there, e.g. as a dataset that params.yaml then names, would be gone for good.
So it is asked before the first stage runs, and by a stage that is started by hand,
which replaces its outputs itself. What lies there is the stage's own if

* DVC does not keep it in its cache: such files are in git, or made again in a second;
* dvc.lock has it of this stage, or the stage's command was started in this folder at
  some time: then DVC had removed what lay there before, and what is there now came
  after, whole, half-written or edited. A folder of data/datasets must besides have the
  size and the number of files that dvc.lock has or, where the stage was started here,
  say which methods made it: in a new clone a dataset that came from elsewhere does so;
* its content is in the cache: it can be had back.

Everything else is refused by name.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.artifacts import dvc_lock
from tasks.artifacts.begun import mark_begun, was_begun
from tasks.artifacts.dvc_cache import files_below, is_cached
from tasks.artifacts.dvc_stages import outputs_by_stage
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable

DATASETS = Path("data/datasets")


def may_be_users(stage: str, path: Path, record: Mapping[str, Any] | None) -> bool:
    """Whether something in an output's place was not made by the stage, as far as seen.

    Its content is not compared with the cache, which takes longer.

    Args:
        stage: The name of the stage that writes the output.
        path: The output, from the current folder.
        record: What dvc.lock has of it, or None.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    begun = was_begun(stage)
    if record is None and not begun:
        return True
    if not path.is_dir() or path.parent != DATASETS:
        return False
    return not (begun and _says_its_makers(path)) and not _is_recorded(path, record)


def refusal(stage: str, path: Path) -> RefusedError:
    """The error for an output's place that holds what may be the user's."""
    return RefusedError(
        path,
        f"output of {stage}",
        "something that no stage made here and no cache holds",
        "nothing, since the stage removes it before it begins",
        "it may be yours; move it away, or remove it",
    )


def check_outputs() -> None:
    """Refuse to go on where a stage of dvc.yaml would remove what may be the user's.

    Raises:
        RefusedError: Names the first such output of the current folder.
    """
    records = dvc_lock.recorded()
    doubtful = [
        (stage, Path(path))
        for stage, outputs in outputs_by_stage().items()
        for path, cached in outputs.items()
        if cached and may_be_users(stage, Path(path), records.get(stage, {}).get(path))
    ]
    if not doubtful:
        return
    for stage, path in doubtful:
        if not is_cached(path):
            raise refusal(stage, path)


def check_place(place: Path) -> None:
    """Refuse to begin a stage whose output has no room, or may be the user's.

    Started by DVC or a flow, which asked before, a stage does not ask again what lies
    there. An output that no stage of dvc.yaml has goes by its path.

    Args:
        place: The output, from the current folder.

    Raises:
        RefusedError: If the folder it goes into cannot be written or has too little
            room, or the place holds what no stage made here.
    """
    # made later, when nothing else is refused
    check_writable(next(folder for folder in place.parents if folder.exists()))
    if os.environ.get("DVC_STAGE"):
        return
    name = place.as_posix()
    stages = outputs_by_stage().items()
    stage = next((stage for stage, outputs in stages if name in outputs), name)
    record = dvc_lock.recorded().get(stage, {}).get(name)
    if may_be_users(stage, place, record) and not is_cached(place):
        raise refusal(stage, place)
    mark_begun(stage)


def _says_its_makers(folder: Path) -> bool:
    """Whether a folder is a dataset that says which methods made it."""
    for name in ("world.json", "card.json"):  # of episodes, of named arrays
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            return bool(content["made_by"])
    return False


def _is_recorded(folder: Path, record: Mapping[str, Any] | None) -> bool:
    """Whether a folder is as large as dvc.lock says."""
    files = list(files_below(folder))
    size = sum(file.stat().st_size for file in files)
    return record is not None and (size, len(files)) == (
        record.get("size"),
        record.get("nfiles"),
    )
