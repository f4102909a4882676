"""The user's own worktrees, hooks, settings and cache, which a study leaves alone."""

from pathlib import Path

import pytest
from dvc.config import Config

from flows.experiments.experiment import git
from flows.experiments.plan import plan
from flows.experiments.worktree import perform
from tests.flows.experiments.clone import write

pytestmark = pytest.mark.slow


def test_a_worktree_of_the_users_that_is_away_is_not_forgotten(
    root: Path, tmp_path: Path
):
    """It may lie on a disk that is not mounted just now."""
    place, away = tmp_path / "wt", tmp_path / "away"
    git(root, "worktree", "add", "--quiet", "--detach", str(place))
    place.rename(away)
    perform(plan(root, "smoke"), write("{}"))
    assert str(place) in git(root, "worktree", "list")
    away.rename(place)
    git(root, "worktree", "remove", "--force", str(place))


def test_the_users_hooks_do_not_run(root: Path):
    hook = root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    try:
        perform(plan(root, "smoke"), write("{}"), keep=True)
    finally:
        hook.unlink()
    study = plan(root, "smoke")
    assert study.folder.exists()
    assert not (study.folder / "hooked").exists()
    perform(study, write("{}"))


def test_the_users_dvc_settings_hold_there(root: Path):
    own = root / ".dvc/config.local"
    own.write_text(
        "[cache]\n    dir = ../../shared\n    type = copy\n"
        "[core]\n    remote = disk\n['remote \"disk\"']\n    url = ../../store\n"
        "['remote \"net\"']\n    url = s3://bucket/path\n    secret_access_key = x\n"
    )
    try:
        study = plan(root, "smoke")

        def graph() -> None:
            config = Config(".dvc")
            shared = root.resolve().parent
            assert config["cache"]["dir"] == str(shared / "shared")
            assert config["cache"]["type"] == ["copy"]
            assert config["remote"]["disk"]["url"] == str(shared / "store")
            assert config["remote"]["net"]["url"] == "s3://bucket/path"
            assert Path(".dvc/config.local").stat().st_mode & 0o77 == 0
            assert str(study.folder) in config["core"]["site_cache_dir"]

        perform(study, graph)
    finally:
        own.unlink()


def test_the_cache_is_the_clones(root: Path):
    def graph() -> None:
        assert Config(".dvc")["cache"]["dir"] == str(root.resolve() / ".dvc/cache")

    perform(plan(root, "smoke"), graph)
