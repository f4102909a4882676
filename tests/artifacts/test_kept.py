"""Results that are kept by everything they depend on."""

from pathlib import Path

import pytest

from tasks.artifacts import kept as room
from tasks.artifacts.kept import Kept

JOB = {"arm": "quest", "bits": 2}


def test_a_result_is_found_by_all_it_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = Kept(tmp_path / "kept", {"code": "a"})
    assert kept.load(JOB) is None
    kept.save(JOB, {"loss": [1.5]})
    again = Kept(tmp_path / "kept", {"code": "a"})
    assert again.load(dict(reversed(JOB.items()))) == {"loss": [1.5]}
    assert again.load({**JOB, "bits": 4}) is None
    assert Kept(tmp_path / "kept", {"code": "b"}).load(JOB) is None
    assert again.place(JOB) != again.path(JOB)
    monkeypatch.setattr(room, "version", lambda name: f"another {name}")
    assert Kept(tmp_path / "kept", {"code": "a"}).load(JOB) is None


def test_what_is_not_whole_or_not_json_is_not_kept(tmp_path: Path):
    kept = Kept(tmp_path, {})
    kept.save(JOB, [1, 2])
    kept.path(JOB).write_text("[1,")
    assert kept.load(JOB) is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        kept.save(JOB, float("nan"))
    assert [path.name for path in tmp_path.iterdir()] == [kept.path(JOB).name]
