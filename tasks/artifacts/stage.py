"""What every stage's command does first and last."""

import errno
import sys
from collections.abc import Callable

from tasks.artifacts.errors import RefusedError


def run_stage(main: Callable[[], None]) -> int:
    """Run a stage; refused input becomes one line on stderr and exit code 1.

    A disk that turns out full or read-only in the middle of the work is refused too:
    outputs are written beside their place and renamed, so nothing half-written is left.
    Every other error is a fault of the code and keeps its traceback.
    """
    try:
        main()
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if not _disk(error):
            raise
        print(
            f"refused: {error.filename or 'output'}: writing: found "
            f"{error.strerror or error}, expected a writable disk with room; "
            "nothing was written, make room and run the same command again",
            file=sys.stderr,
        )
        return 1
    return 0


def _disk(error: OSError) -> bool:
    """Whether the disk refused; HDF5 and Arrow tell it in words only."""
    refusals = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
    return error.errno in refusals or "No space left" in str(error)
