"""A small git and DVC repository with every kind of stage."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
# fan-out, fan-in, a folder of several outputs, a file inside an output, parameters,
# two commands, a metric in git
STAGES: dict[str, Any] = {
    "make": {
        "cmd": "mkdir made && cp in.txt made/a.txt && cp in.txt made/b.txt",
        "deps": ["in.txt"],
        "outs": ["made"],
    },
    "up": {
        "cmd": ["echo working", "tr a-z A-Z < made/a.txt > parts/up.txt"],
        "deps": ["made/a.txt"],
        "outs": ["parts/up.txt"],
    },
    "turn": {
        "cmd": "rev made/b.txt > parts/turn.txt",
        "deps": ["made"],
        "params": ["turn"],
        "outs": ["parts/turn.txt"],
    },
    "join": {
        "cmd": "cat parts/*.txt > joined.txt; wc -c < joined.txt > size.json",
        "deps": ["parts"],
        "outs": ["joined.txt"],
        "metrics": [{"size.json": {"cache": False}}],
    },
    "apart": {
        "cmd": "echo 1 > apart.txt",
        "params": ["turn"],
        "outs": ["apart.txt"],
    },
}


class Toy:
    """The repository.

    Args:
        folder: Where; made anew.
        stages: Of dvc.yaml.
    """

    def __init__(self, folder: Path, stages: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DVC_NO_ANALYTICS": "1",
            "SHELL": "/bin/sh",
        }
        (folder / "parts").mkdir(parents=True)
        self.write("in.txt", "one\ntwo\n")
        self.write("params.yaml", "turn: 1\n")
        self.write(".dvcignore", "/.offcut\n")
        outs = "/made\n/parts\n/joined.txt\n/apart.txt\n/out\n/.offcut\n"
        self.write(".gitignore", outs)
        self.stages(STAGES if stages is None else stages)
        self.run("git", "init", "-q")
        self.run("git", "config", "user.name", "toy")
        self.run("git", "config", "user.email", "toy@example.org")
        self.run("python", "-m", "dvc", "init", "-q")
        self.commit()

    def stages(self, stages: dict[str, Any]) -> None:
        """Write dvc.yaml."""
        text = yaml.safe_dump({"stages": stages}, sort_keys=False)
        self.write("dvc.yaml", text)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "state")

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command that must end with ``code``; what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def dvc(self, *arguments: str, code: int = 0) -> str:
        return self.run("python", "-m", "dvc", *arguments, code=code)

    def flow(self, *arguments: str, code: int = 0) -> str:
        """The run on plain threads."""
        return self.run("python", "-m", "flows", "--local", *arguments, code=code)
