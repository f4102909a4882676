"""The processes that had a client started, whose end is its own."""

import os

STARTED_BY = "DVC_STAGE"  # DVC sets it for its commands


def open_starters(opened: list[int]) -> None:
    """Open pidfds of the processes above, up to the one that set DVC's variable.

    Shells such as dash stay between DVC and its command, and do not end with DVC.

    Args:
        opened: Gets the pidfds.

    Raises:
        OSError: If one of them has ended.
    """
    entry = os.fsencode(f"{STARTED_BY}={os.environ[STARTED_BY]}")
    process = os.getpid()
    while True:
        with open(f"/proc/{process}/environ", "rb") as file:
            if entry not in file.read().split(b"\0"):
                return
        parent = _parent(process)
        opened.append(os.pidfd_open(parent))
        # one that was taken over by what is above is of another session than that
        left = process != os.getsid(process) != os.getsid(parent)
        if left or _parent(process) != parent:
            raise ProcessLookupError(parent)
        process = parent


def _parent(process: int) -> int:
    """The number of a process's parent."""
    with open(f"/proc/{process}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])
