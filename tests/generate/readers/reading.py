"""Reading a source in a test: what a reader makes of it, or how it is refused."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.logs import Log, Logs
from tests.generate.imports import options


def read(reader: ModuleType, source: Path, **changed: Any) -> tuple[list[Log], Logs]:
    """All episodes of a source, and what it states beside them."""
    assert reader.recognises(source)
    logs = reader.read(source, options(**changed))
    return list(logs.episodes), logs


def refusal(reader: ModuleType, source: Path, **changed: Any) -> str:
    """The line with which a source is refused."""
    with pytest.raises(RefusedError) as error:
        list(reader.read(source, options(**changed)).episodes)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(str(source)[:40])
    return line


def read_or_refused(reader: ModuleType, source: Path, **changed: Any) -> None:
    """Read a damaged source: any error but a refusal fails the test."""
    if not reader.recognises(source):
        return
    line = ""
    try:
        list(reader.read(source, options(**changed)).episodes)
    except RefusedError as error:
        line = str(error)
    assert "\n" not in line
