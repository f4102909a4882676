"""DVC's cache without DVC; tests of ownership ask it for content."""

from pathlib import Path

import pytest

from tasks.artifacts.dvc_cache import cache_folder, check_cache
from tasks.artifacts.errors import RefusedError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def test_it_lies_where_the_nearest_settings_say(tmp_path: Path):
    assert cache_folder() == Path(".dvc/cache")
    for name, text in (
        ("settings/dvc/config", "[cache]\ndir = /of/the/user\n"),
        (".dvc/config", "[core]\n    analytics = false\n[cache]\n  dir = ../shared\n"),
        (".dvc/config.local", '[cache]\ndir = "/of/this clone"\n'),
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert cache_folder() == Path("/of/this clone")
    Path(".dvc/config.local").write_text("no settings")
    assert cache_folder().resolve() == tmp_path / "shared"
    Path(".dvc/config").unlink()
    assert cache_folder() == Path("/of/the/user")


def test_one_that_cannot_be_written_is_refused():
    check_cache()
    assert not any(Path().iterdir())
    Path(".dvc").mkdir()
    check_cache()
    Path(".dvc/cache").rmdir()
    Path(".dvc/cache").write_text("in the way")
    with pytest.raises(RefusedError, match="move away the file"):
        check_cache()
