"""DVC's cache, asked without DVC, which needs a second to start."""

import hashlib
import os
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from tasks.artifacts.files import check_writable


def check_cache() -> None:
    """Refuse a cache that cannot be written or has too little room.

    DVC finds out when the stages' old outputs are gone.

    Raises:
        RefusedError: If it is so; a folder without DVC has none.
    """
    if Path(".dvc").is_dir():
        check_writable(cache_folder())


def is_cached(path: Path) -> bool:
    """Whether the cache has each file of an output; small files are asked first.

    Args:
        path: A file or folder.
    """
    cache = cache_folder()
    files = list(files_below(path)) if path.is_dir() else [path]
    for file in sorted(files, key=lambda file: file.stat().st_size):
        with file.open("rb") as stream:
            md5 = hashlib.file_digest(stream, "md5").hexdigest()
        if not (cache / "files/md5" / md5[:2] / md5[2:]).exists():
            return False
    return True


def files_below(folder: Path) -> Iterator[Path]:
    """Files below a folder, without those that DVC ignores by their name."""
    ignored = []
    with suppress(FileNotFoundError):
        lines = Path(".dvcignore").read_text(encoding="utf-8").splitlines()
        ignored = [line for line in lines if line and line[0] not in "/#!"]
    for path in folder.rglob("*"):
        if path.is_file() and not any(fnmatch(path.name, line) for line in ignored):
            yield path


def cache_folder() -> Path:
    """The folder of DVC's cache, which the user may have put elsewhere."""
    cache = Path(".dvc/cache")
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    users = [Path("/etc/xdg/dvc/config"), Path(settings, "dvc/config")]
    for file in (*users, Path(".dvc/config"), Path(".dvc/config.local")):
        parser = ConfigParser(interpolation=None, strict=False)
        with suppress(OSError, ValueError, KeyError, ConfigParserError):
            parser.read(file, encoding="utf-8")
            # as from the file it stands in
            cache = file.parent / parser["cache"]["dir"].strip("'\"")
    return cache
