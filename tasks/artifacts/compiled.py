"""Machine code that numba keeps beside its sources, given to a worktree.

numba takes what lies in a ``__pycache__`` only while the source has the size and the
time of change that it had, and every checkout gives a file another time.
"""

import os
import shutil
from pathlib import Path

SOURCES = (Path("tasks/nets/kernels.py"), Path("tasks/train/cores/loops.py"))


def share_compiled(root: Path, worktree: Path) -> None:
    """Give a worktree the machine code of a clone whose sources are the same.

    Args:
        root: The clone, which may not have compiled anything yet.
        worktree: Whose files it is.
    """
    for source in SOURCES:
        original, copy = root / source, worktree / source
        if not (original.is_file() and copy.is_file()):
            continue
        if original.read_bytes() != copy.read_bytes():
            continue
        times = original.stat()
        os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
        folder = copy.parent / "__pycache__"
        folder.mkdir(exist_ok=True)
        for code in original.parent.glob(f"__pycache__/{source.stem}.*.nb[ic]"):
            shutil.copyfile(code, folder / code.name)
