"""Which reader a source is for, and the source read by it."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import listed
from tasks.generate.imported.columns import again
from tasks.generate.imported.fitting import Brought
from tasks.generate.imported.logs import Logs, Options
from tasks.generate.imported.rules import apply

if TYPE_CHECKING:
    from tasks.worlds import World

READERS = Path(__file__).parent / "readers"
AUTO = "auto"
FILTERED = ("lerobot", "rlds", "robomimic")  # formats that name lists of episodes


def formats() -> list[str]:
    """Names of the readers: one a file."""
    return sorted(path.stem for path in READERS.glob("*.py") if path.stem[0] != "_")


def located(source: Path) -> Path:
    """A source without the folder that holds nothing but one file of it."""
    if not source.is_dir():
        return source
    files = [path for path in source.iterdir() if path.name[0] != "."]
    return files[0] if len(files) == 1 and files[0].is_file() else source


def read(
    source: Path, options: Options, world: "World | None" = None
) -> tuple[Logs, Brought]:
    """Read a source, and settle what it holds by the rules.

    Args:
        source: A file or folder.
        options: Of the import.
        world: That the data is for; None: none.

    Returns:
        What it states, and its episodes.

    Raises:
        RefusedError: If there is nothing, no reader or more than one recognises it, or
            it is refused.
    """
    if not source.exists():
        mend = "name a file or folder that is there"
        raise RefusedError(source, "source", "nothing", "a file or folder", mend)
    source = located(source)
    logs = _reader(source, options.format).read(source, options)
    if options.filter and logs.format not in FILTERED:
        expected = f"a format with lists of episodes: {', '.join(FILTERED)}"
        mend = "leave filter out, or choose by episodes=A:B"
        raise RefusedError(source, "filter", options.filter, expected, mend)
    return logs, apply(logs, options, source, world)


def _reader(source: Path, name: str) -> ModuleType:
    """The reader of a name, or the one that recognises a source."""
    known = formats()
    if name != AUTO and name not in known:
        expected = f"auto or one of {listed(known)}"
        mend = again("format=...")
        raise RefusedError(source, "format", name, expected, mend)
    readers = {n: _module(n) for n in (known if name == AUTO else [name])}
    if name != AUTO:
        return readers[name]
    fitting = [n for n, reader in readers.items() if reader.recognises(source)]
    if len(fitting) != 1:
        raise RefusedError(
            source,
            "format",
            f"what {' and '.join(fitting)} recognise" if fitting else "none recognised",
            f"one of {listed(known)}",
            f"{again(f'format={fitting[0]}')}, or the other"
            if fitting
            else "docs/data.md says what each format looks like",
        )
    return readers[fitting[0]]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tasks.generate.imported.readers.{name}")
