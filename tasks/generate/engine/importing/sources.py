"""Sources: what a user brings, found, and copied to data/sources, where DVC tracks it.

The user's own file is only ever read. A copy lies in data/sources/NAME, a folder, and
data/sources/NAME.dvc in git says which it is: so worktrees, colleagues and other
machines have it. What is too large to copy may be a link instead; only this machine
has it then.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.artifacts.dataset import ID
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import MIN_FREE_BYTES, whole_folder

SOURCES = Path("data/sources")
HOME = Path(".minari/datasets")  # below the user's


def found(text: str) -> Path:
    """The source a user names: a path, or the id of a dataset in Minari's store.

    Args:
        text: As the user says it.

    Raises:
        RefusedError: If there is neither.
    """
    if text and (path := Path(text).expanduser()).exists():
        return path
    root = os.environ.get("MINARI_DATASETS_PATH")
    store = Path(root) if root else Path.home() / HOME
    if ID.match(text):
        if (store / text / "data").is_dir():
            return store / text
        expected = f"a path, or a dataset in {store}"
        mend = f"get it with: minari download {text}"
        raise RefusedError("SRC", "source", text, expected, mend)
    expected = "a file, a folder, or the id of a Minari dataset"
    mend = "name one that is there"
    raise RefusedError("SRC", "source", repr(text), expected, mend)


def check_target(name: str, source: Path, *, link: bool) -> None:
    """Refuse a place below data/sources that holds something no import put there.

    Args:
        name: Of the folder.
        source: What shall be copied there.
        link: Whether a link shall lie there instead of a copy.

    Raises:
        RefusedError: If something else is there, or a copy where a link shall be.
    """
    target = SOURCES / name
    tracked = target.with_name(f"{name}.dvc").exists()
    if link and tracked:
        mend = f"remove it with: dvc remove {target}.dvc, or import without LINK"
        expected = "nothing, or a link"
        raise RefusedError(target, "source", "a copy", expected, mend)
    if target.is_symlink() or not target.exists() or tracked:
        return
    if source.resolve() == target.resolve():
        return
    found, expected = "something that no import put there", "nothing, or an import"
    mend = "it may be yours; move it away, or choose another NAME"
    raise RefusedError(target, "source", found, expected, mend)


def place(name: str, source: Path, *, link: bool) -> Path:
    """Copy a source, or link to it, and let DVC track a copy.

    Args:
        name: Of the folder below data/sources.
        source: The user's file or folder, which is only read.
        link: Whether to link.

    Returns:
        Where it is now.

    Raises:
        RefusedError: If there is no room, or DVC refuses it.
    """
    target = SOURCES / name
    SOURCES.mkdir(parents=True, exist_ok=True)
    if link:
        target.unlink(missing_ok=True)
        target.symlink_to(source.resolve())
        return target
    if target.is_symlink() or source.resolve() != target.resolve():
        _copy(source.resolve(), target)
    _track(target)
    return target


def size_of(source: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = source.rglob("*") if source.is_dir() else [source]
    return sum(file.stat().st_size for file in files if file.is_file())


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all; what links lead to is copied in their place."""
    if target.is_symlink():
        target.unlink()
    with whole_folder(target, MIN_FREE_BYTES + 2 * size_of(source)) as fresh:
        if source.is_dir():
            try:
                shutil.copytree(source, fresh, dirs_exist_ok=True)
            except shutil.Error as error:  # a pipe, a socket, a link to nothing
                found, expected = error.args[0][0][-1], "files and folders"
                mend = "move it out of the source"
                raise RefusedError(source, "copy", found, expected, mend) from None
        else:
            shutil.copyfile(source, fresh / source.name)


def _track(target: Path) -> None:
    """``dvc add``, which keeps a copy in the cache and writes NAME.dvc."""
    command = [sys.executable, "-m", "dvc", "add", "--quiet", target.as_posix()]
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        text = said[-1] if said else f"exit code {done.returncode}"
        expected, mend = "DVC to track it", "do as it says and import it again"
        raise RefusedError(target, "dvc add", text, expected, mend)
