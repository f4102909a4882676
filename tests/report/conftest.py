"""A study made up for the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.study_files import write_study


@pytest.fixture
def make_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a study and stand in its folder."""

    def make(datasets: dict[str, str] | None = None, **options: Any) -> Path:
        write_study(tmp_path, datasets or {"hopper_mixed": "hopper"}, **options)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make
