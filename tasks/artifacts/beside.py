"""Names beside a file or folder, for what will take its place when it is whole.

Who writes there holds a lock on it, which the system ends with the process. So what a
killed process left is told from what another one is writing now.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp"  # git and DVC ignore what ends so


def beside(path: Path) -> Path:
    """A free name for what will take the place of a file or folder.

    What `tempfile` makes is for its owner alone; a file opened or a folder made by such
    a name gets the rights that the user's umask leaves it.
    """
    return path.parent / f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}"


def clear(path: Path) -> bool:
    """Remove what killed processes left by names that :func:`beside` gave.

    Args:
        path: The file or folder that should have been written.

    Returns:
        Whether another process is writing it now.
    """
    end = re.escape(TEMPORARY)
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}{end}")
    found = [other for other in path.parent.iterdir() if name.fullmatch(other.name)]
    removed = [_remove(leftover) for leftover in found]
    return not all(removed)


def _remove(leftover: Path) -> bool:
    """Remove a temporary file or folder; False if another process is writing it."""
    try:
        handle = os.open(leftover, os.O_RDONLY)
    except OSError:  # it is in its place by now
        return True
    try:
        if not lock(handle):
            return False
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
    finally:
        os.close(handle)
    return True


def lock(handle: int) -> bool:
    """Lock an open file or folder until it is closed; False if another process has.

    Some shares know no locks; there nobody is seen to be at work.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others from making, clearing and renaming in a folder, for a moment."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a share that knows no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
