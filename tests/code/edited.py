"""Edit a file of the project, as far as tasks.code can tell."""

from pathlib import Path

import pytest

from tasks.code import closures


def edited(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Let one file have another hash.

    Args:
        monkeypatch: Undoes it.
        path: From the project's root; it must exist.
    """
    changed, hash_of = closures.PROJECT / path, closures._sha256
    assert changed.is_file()

    def sha256(file: Path) -> str:
        return hash_of(file) + "edited" * (file == changed)

    monkeypatch.setattr(closures, "_sha256", sha256)
