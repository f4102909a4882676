"""Write files that appear whole or not at all; read and hash files."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.artifacts.beside import alone_in, beside, clear, lock
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.strict_json import parse_json

MIN_FREE_BYTES = 64 * 1024 * 1024
MAKE_ROOM = "make room, e.g. with: dvc gc --workspace"


def sha256(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files, as hex."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
            digest.update(f"{sha256(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_sha256(path: Path, stated: object, command: str) -> None:
    """Refuse a file of another hash than is stated, before it is opened.

    Args:
        path: The file.
        stated: The hash, by the JSON beside it.
        command: What makes it, for errors.
    """
    if not path.is_file():
        mend = f"make it with: {command}"
        raise RefusedError(path, "file", "nothing", "a file", mend)
    if (computed := sha256(path)) != stated:
        mend = f"make it again with: {command}"
        raise RefusedError(path, "sha256", computed, f"{stated!s:.64}", mend)


def canonical(value: Any) -> str:
    """Write a value as JSON text that depends on the value alone: keys are sorted.

    Raises:
        ValueError: If the value holds NaN or an infinity, which JSON does not have.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


def json_sha256(value: Any) -> str:
    """SHA-256 of a value's JSON text, as hex; a value read back has the same one."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a value as canonical JSON, into a file that is whole or absent."""
    write_text(path, canonical(value))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text into a file that is whole or absent.

    It is written beside its place and renamed, so a kill leaves the old file or none.
    What an earlier kill left beside it is removed.

    Args:
        path: The file; its folder is made if missing.
        text: What it shall hold.

    Raises:
        RefusedError: If the folder cannot be written or has too little room.
    """
    check_writable(path.parent)
    with alone_in(path.parent):
        clear(path)
        temporary = beside(path)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        lock(handle)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(path)  # while it is open: closed, it is anybody's
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path, made_by: str, kind: type | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        made_by: The command that makes it, for the error.
        kind: What it must hold at its top; None takes any value.

    Returns:
        The value it holds.

    Raises:
        RefusedError: If the file is missing, cannot be read, is not JSON as
            :func:`parse_json` takes it, or holds another kind of value.
    """
    again = f"make it again with: {made_by}"
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusedError(
            path, "file", "nothing", "a file", f"make it with: {made_by}"
        ) from None
    except OSError as error:  # a folder, or no right to read it
        found = error.strerror or str(error)
        raise RefusedError(path, "file", found, "a file", again) from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise RefusedError(path, "content", error, "JSON", again) from None
    if kind is not None and not isinstance(value, kind):
        name = "an object" if kind is dict else f"a {kind.__name__}"
        raise RefusedError(path, "content", f"{value!r:.80}", name, again)
    return value


def read_entry(path: Path, made_by: str, key: str, kind: type) -> Any:
    """Read one entry of a JSON file.

    Args:
        path: The file, which holds an object.
        made_by: The command that makes it, for the error.
        key: Of the entry; a dot leads into an object.
        kind: What it must be; float takes whole numbers too.

    Raises:
        RefusedError: As :func:`read_json`, or if the entry is missing or of another
            kind.
    """
    value = read_json(path, made_by, dict)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        found = "nothing" if value is None else f"{value!r:.80}"
        again = f"make it again with: {made_by}"
        raise RefusedError(path, key, found, f"a value of type {kind.__name__}", again)
    return value


def check_writable(folder: Path, need: int = MIN_FREE_BYTES) -> None:
    """Refuse a folder that cannot be written or has too little room.

    Args:
        folder: Where output will go; made if missing.
        need: Bytes that must be free.

    Raises:
        RefusedError: If it is not writable, or fewer than ``need`` bytes are free.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # without a name: a kill leaves none
            pass
    except OSError as error:
        raise RefusedError(
            folder,
            "output folder",
            error.strerror or str(error),
            "a folder this user can write to",
            _mend(error, folder),
        ) from error
    free = shutil.disk_usage(folder).free
    if free < need:
        raise RefusedError(
            folder,
            "free bytes",
            free,
            f"at least {need}",
            MAKE_ROOM,
        )


def _mend(error: OSError, folder: Path) -> str:
    """What to do about a folder that cannot be written."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"run: chmod u+w {folder}"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "move away the file that stands in its place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MAKE_ROOM
    return "put the project on a disk that can be written"


@contextmanager
def whole_folder(folder: Path, need: int = MIN_FREE_BYTES) -> Iterator[Path]:
    """Yield an empty folder that becomes ``folder`` only if the block succeeds.

    What stood at ``folder`` before stays until then. A stage that is killed leaves the
    old output, the new one or, between two renames, none; never half of one. Temporary
    folders it left are removed at the next call.

    Args:
        folder: The output.
        need: Bytes that must be free before the work begins.

    Yields:
        The empty folder to write into.

    Raises:
        RefusedError: If the place cannot be written, has too little room or is a
            file, which may be the user's; if another process is making this output.
    """
    check_writable(folder.parent, need)
    if folder.exists() and not folder.is_dir():
        raise RefusedError(
            folder,
            "output folder",
            "a file",
            "nothing, or a folder",
            "move away the file that stands in its place",
        )
    with alone_in(folder.parent):
        if clear(folder):
            raise RefusedError(
                folder,
                "output folder",
                "another process that is making it",
                "one at a time",
                "wait until that has ended, then run the same command again",
            )
        temporary = beside(folder)
        temporary.mkdir(0o700)
        handle = os.open(temporary, os.O_RDONLY)
        lock(handle)
    new, old = temporary / folder.name, temporary / f"{folder.name}.old"
    try:
        new.mkdir()
        yield new
        if folder.exists():
            folder.replace(old)
        new.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(handle)
