"""What the command of every stage has in common: how it ends on an error."""

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

from tasks.artifacts.begun import mark_begun
from tasks.artifacts.dvc_cache import check_cache
from tasks.artifacts.dvc_lock import check_lock, has_entry
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.processes import die_with_starter


def run_stage(main: Callable[[], None]) -> int:
    """Run the command of a stage; refused input becomes one line on stderr.

    A disk that turns out full or read-only in the middle of the work is refused too:
    outputs are written beside their place and renamed, so nothing half-written is left.
    Ctrl-C ends it with that word; where what reads its output has ended, as `head`
    does, it ends without one. Every other error is a fault of the code and keeps
    its traceback. Started by DVC, it ends with DVC: killed, or ended by SIGTERM, DVC
    leaves its commands to themselves, and so does the shell between the two. A stage
    that dvc.lock does not have may be new, or the file was cut short by a kill, which
    is refused: DVC would make again all that it no longer has.

    Args:
        main: The command.

    Returns:
        The exit code: 0, 1 after a refusal, 130 after Ctrl-C, 141 without a reader, as
        shells have it.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # whatever its encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    if stage := os.environ.get("DVC_STAGE"):
        mark_begun(stage)
        die_with_starter("DVC_STAGE")
    try:
        if stage:
            check_cache()  # before the work, which DVC could not record
            if not has_entry(stage):
                check_lock()
        main()
        sys.stdout.flush()
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the interpreter flushes once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if not _is_of_disk(error):
            raise
        print(
            f"refused: {error.filename or 'output'}: writing: found "
            f"{error.strerror or error}, expected a writable disk with room; "
            "nothing was written, make room and run the same command again",
            file=sys.stderr,
        )
        return 1
    return 0


def _is_of_disk(error: OSError) -> bool:
    """Whether a disk is full or cannot be written; HDF5 and Arrow say so in words."""
    refusals = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
    return error.errno in refusals or "No space left" in str(error)
