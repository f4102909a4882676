"""A git repository with a dvc.yaml and its dvc.lock, for tests that need no DVC."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml


class Committed:
    """The repository, with all its files in one commit.

    Args:
        folder: Where; made into a repository.
        outs: Outputs of each stage.
    """

    def __init__(self, folder: Path, outs: Mapping[str, Sequence[str]]) -> None:
        self.folder, self.outs = folder, outs
        stages = {name: {"cmd": "x", "outs": list(o)} for name, o in outs.items()}
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
        (folder / "params.yaml").write_text("some: 1\n")
        (folder / "dvc.lock").write_text(self.lock("1"))
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "nobody")
        self.git("config", "user.email", "nobody@example.org")
        self.git("add", "dvc.yaml", "params.yaml", "dvc.lock")
        self.git("commit", "-q", "-m", "state")

    def lock(self, digit: str, *names: str) -> str:
        """A dvc.lock of all stages, or of some, with hashes of a digit."""
        stages = {
            name: {
                "cmd": f"make {name}",
                "deps": [{"path": "a", "md5": "0" * 32, "size": 1}],
                "outs": [
                    {"path": path, "md5": f"{digit * 32}.dir", "size": 2, "nfiles": 1}
                    for path in self.outs[name]
                ],
            }
            for name in names or self.outs
        }
        content = {"schema": "2.0", "stages": stages}
        return yaml.safe_dump(content, sort_keys=False)

    def git(self, *arguments: str, code: int = 0) -> None:
        """Run git, which must end with ``code``."""
        done = subprocess.run(["git", *arguments], cwd=self.folder, check=False)
        assert done.returncode == code
