"""A real git and DVC repository whose revisions are edited by hand."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

from flows.revisions.layout import FOLDER, sources
from tasks.code import write
from tasks.compare.page import Outcome, compare
from tests.compare.conftest import DATASET, network, put_network, shift, write_revision

ROOT = Path(__file__).parents[2]
GPTQ4 = f"{DATASET}/bc/gptq4"
WORSE = "worse is worse than main in 1 of 2 variants: 1 REGRESSED, 1 HELD (1 identical)"
# the outputs of the project's graph, made by hand
GRAPH = """
stages:
  code:
    cmd: "true"
    deps: [tasks]
    outs: [{data/code: {cache: false}}]
  generate:
    foreach: ${study.datasets}
    do:
      cmd: "true"
      outs: ["data/datasets/${item}-v0"]
"""
for stage, kind in (
    ("train", "policies"),
    ("export", "onnx"),
    ("evaluate", "evaluations"),
):
    leaf = "${item.dataset}/${item.learner}"
    axes = "{dataset: '${study.datasets}', learner: '${study.learners}'"
    axes += "}" if stage == "train" else ", variant: '${study.variants}'}"
    leaf += "" if stage == "train" else "/${item.variant}"
    GRAPH += f"""
  {stage}:
    matrix: {axes}
    cmd: "true"
    deps: [tasks/room, data/code/train/bc.json]
    params: [study]
    outs: ["data/{kind}/{leaf}"]
"""


class Repository:
    """A small project whose revisions are edited by hand.

    | revision | what is in it |
    |---|---|
    | main, v1 | bc with float32 and gptq4 |
    | unchanged | another README |
    | worse | gptq4 lost 12 points, one of its tensors moved |
    | tuned | an experiment: gptq4 gained 10 points, another parameter |
    | gone | as worse, its evaluation is in no cache |
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = os.environ | {"DVC_NO_ANALYTICS": "1", "NO_COLOR": "1"}
        self.env["PYTHONPATH"] = str(ROOT)
        write_revision(root)
        (root / "tasks/room").mkdir(parents=True)
        (root / "tasks/train").mkdir()
        (root / "tasks/train/bc.py").write_text("one = 1\n")
        (root / "tasks/room/more.py").write_text("two = 2\n")
        (root / "dvc.yaml").write_text(GRAPH)
        (root / ".gitignore").write_text("/data\n/.offcut\n/environment.json\n")
        self.run("git", "init", "-q", "-b", "main")
        self.run("git", "config", "user.name", "somebody")
        self.run("git", "config", "user.email", "somebody@example.org")
        self.dvc("init", "-q")
        self.dvc("config", "core.autostage", "false")
        self.commit("The baseline")
        self.run("git", "tag", "-a", "-m", "The first", "v1")
        self.run("git", "checkout", "-q", "-b", "unchanged")
        (root / "README.md").write_text("Nothing else\n")
        self.commit("Say something")
        self.branch("worse", -12)
        self.branch("gone", -30)
        self.run("git", "checkout", "-q", "main")
        self.dvc("checkout", "-q", "--force")
        self.edit_params("batch: 256", "batch: 64")
        shift(root, GPTQ4, 10)
        self.dvc("commit", "-q", "--force")
        self.dvc("exp", "save", "-q", "-n", "tuned")
        self.restore()

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.env,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def commit(self, message: str) -> None:
        write(self.root / "data/code", self.root)
        self.dvc("commit", "-q", "--force")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def branch(self, name: str, points: float) -> None:
        self.run("git", "checkout", "-q", "main")
        self.run("git", "checkout", "-q", "-b", name)
        self.dvc("checkout", "-q", "--force")
        shift(self.root, GPTQ4, points)
        put_network(self.root, GPTQ4, 0, network(4.0), timed=False)
        self.commit(f"Lose {-points} points")

    def edit_params(self, old: str, new: str) -> None:
        path = self.root / "params.yaml"
        path.write_text(path.read_text().replace(old, new))

    def restore(self) -> None:
        """Back to main; outputs come from the cache."""
        self.run("git", "checkout", "-q", "--force", "main")
        self.dvc("checkout", "-q", "--force")

    def forget(self) -> None:
        """Lay out everything anew."""
        shutil.rmtree(self.root / FOLDER, ignore_errors=True)

    def locked(self, revision: str, path: str) -> str:
        """The hash of an output in a revision's dvc.lock."""
        lock = yaml.safe_load(self.run("git", "show", f"{revision}:dvc.lock"))
        outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
        return next(out["md5"] for out in outs if out["path"] == path)

    def cached(self, md5: str) -> Path:
        return self.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]

    def compare(self, *names: str) -> Outcome:
        return compare(sources(names, self.root))


@cache
def repository_in(folder: Path) -> Repository:
    """One for all tests of a process: making it takes a dozen calls of DVC."""
    return Repository(folder / "revisions")
