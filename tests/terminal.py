"""What a terminal is sent of a command."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

COLOURS = re.compile(r"\x1b\[[0-9;?]*m")


def in_terminal(
    *arguments: str, folder: Path | None = None, env: Mapping[str, str] = os.environ
) -> str:
    """Run Python in a terminal 100 letters wide; what it was sent, without colours.

    Args:
        *arguments: Of Python.
        folder: Where; None is the present one.
        env: Its environment.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**env, "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(theirs)
        sent = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # it has closed its side
                break
            sent += part
        os.close(ours)
    said = COLOURS.sub("", sent.decode())
    assert process.returncode == 0, said
    return said
