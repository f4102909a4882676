"""SHA-256 of large files that are named and not read, computed once a change.

What a stage reads it hashes each time. A dataset's HDF5 is not read by a stage that
maps the rows beside it; all there is to know is whether somebody changed it.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256, write_json

HASHES = Path(".offcut/hashes")
SETTLED = (
    2 * 10**9
)  # ns; a file as young as this may change within one tick of its clock


def remembered_sha256(path: Path) -> str:
    """SHA-256 of a file, from memory if it is as it was when it was last computed.

    A file counts as the same if its path, inode, size and times of modification and
    change are; no program sets the last one at will.

    Args:
        path: The file.
    """
    key = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
    note, state = HASHES / f"{key}.json", _state(path)
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["state"] == state:
            return str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none was computed, or the note is damaged
    computed = sha256(path)
    if _state(path) == state and time.time_ns() - max(state[2:]) > SETTLED:
        with suppress(OSError, RefusedError):  # it costs another hash, no more
            write_json(note, {"state": state, "sha256": computed})
    return computed


def _state(path: Path) -> list[int]:
    """What changes with a file: inode, size, times of modification and change in ns."""
    now = path.stat()
    return [now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]
