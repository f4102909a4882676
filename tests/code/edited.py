"""Edit a file of the project, as far as tasks.code can tell."""

from pathlib import Path

import pytest

from tasks import code


def edited(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Let one file have another hash.

    Args:
        monkeypatch: Undoes it.
        path: From the project's root; it must exist.
    """
    changed, hash_of = code.PROJECT / path, code._sha256
    assert changed.is_file()

    def sha256(file: Path) -> str:
        return hash_of(file) + "edited" * (file == changed)

    monkeypatch.setattr(code, "_sha256", sha256)
