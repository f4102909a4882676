"""Reading a source in a test: options as in params/, and what a reader makes of it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported import ImportedParams
from tasks.generate.imported.logs import Log, Logs, Options
from tests.house import ROOT


def options(**changed: Any) -> Options:
    """Options of params/generate/imported.yaml, some of them changed."""
    text = (ROOT / "params/generate/imported.yaml").read_text(encoding="utf-8")
    block = yaml.safe_load(text) | changed
    return ImportedParams.parse(block, "dataset.logs.generate")


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
