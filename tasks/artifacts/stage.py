"""What every stage's command does first and last."""

import sys
from collections.abc import Callable

from tasks.artifacts.errors import RefusedError


def run_stage(main: Callable[[], None]) -> int:
    """Run a stage; refused input becomes one line on stderr and exit code 1.

    A full disk met in the middle of the work is refused input too: outputs are written
    beside their place and renamed, so nothing half-written is left.
    """
    try:
        main()
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.strerror is None:
            raise
        print(
            f"refused: {error.filename or 'output'}: writing: found "
            f"{error.strerror}, expected a writable disk with room; nothing was "
            "written, make room and run the same command again",
            file=sys.stderr,
        )
        return 1
    return 0
