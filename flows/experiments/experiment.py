"""Make a DVC experiment: a commit under refs/exps whose parent is its baseline.

``dvc exp save`` would do so too, but it adds plots that DVC tracks and its own scratch
files to the commit, and keeps its state in refs that all worktrees of a repository
share, so two studies that end together would mix.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.artifacts.errors import RefusedError

NAME = re.compile(r"\w[\w.+-]*")
# what `make run`, `make claim` and `dvc exp apply` leave changed, on every processor
# other than the last commit's; no study reads them
RESULTS = ("dvc.lock", "params.yaml", "data/report/", "data/claims/", "docs/claims")
LISTED = 5  # changed files an error names
# so that a commit can be made where git knows no name, e.g. in a container
NOBODY = ("-c", "user.name=offcut", "-c", "user.email=offcut@localhost")


@dataclass(frozen=True)
class Saved:
    """An experiment in the user's repository.

    Attributes:
        name: As in ``dvc exp show``.
        commit: The SHA-1 of its commit.
        how: ``new`` if there was none of that name, ``the same as before`` if there
            was one with the same files, ``replaced`` if there was another.
    """

    name: str
    commit: str
    how: Literal["new", "the same as before", "replaced"]

    def __str__(self) -> str:
        """Which experiment there is now, and what to do with it."""
        return (
            f"experiment {self.name}: {self.how}; see it with: make studies, "
            f"bring it in with: dvc exp apply {self.name} && make report"
        )


def git(folder: Path, *arguments: str) -> str:
    """Run git in a clone or worktree; a repository further up is not found.

    Args:
        folder: The top folder of the clone or worktree.
        *arguments: Of git.

    Returns:
        What it printed, without the last line's end.

    Raises:
        RefusedError: If git fails; says what git said.
    """
    command = ["git", "--no-optional-locks", *arguments]
    process = subprocess.run(
        command,
        cwd=folder,
        env=_env(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        verb = next(word for word in arguments if word[:1] != "-" and "=" not in word)
        stderr = process.stderr.strip() or f"exit code {process.returncode}"
        raise RefusedError(
            folder, f"git {verb}", stderr, "git to succeed", "do as git says"
        )
    return process.stdout.removesuffix("\n")


def git_or_none(folder: Path, *arguments: str) -> str | None:
    """Run git as `git` does; None instead of an error if it fails."""
    try:
        return git(folder, *arguments)
    except RefusedError:
        return None


def _env(folder: Path) -> dict[str, str]:
    """The environment for git, without what a hook says of its own repository."""
    of_a_hook = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in of_a_hook}
    return kept | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}


def baseline(root: Path) -> str:
    """The commit that an experiment of a clone stands on.

    Args:
        root: The top folder of the clone.

    Returns:
        The SHA-1 of HEAD.

    Raises:
        RefusedError: If the folder is no clone, has no commit, or a tracked file
            differs from it that is no result.
    """
    top = git_or_none(root, "rev-parse", "--show-toplevel")
    commit = git_or_none(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if top is None or Path(top).resolve() != root.resolve() or commit is None:
        raise RefusedError(
            root,
            "git",
            "no commit" if top else "no repository",
            "the top folder of a clone, since an experiment stands on a commit",
            "run it in a clone of the project",
        )
    status = git(
        root, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames"
    )
    changed = [entry[3:] for entry in status.split("\0") if entry]
    changed = [path for path in changed if not path.startswith(RESULTS)]
    if changed:
        more = len(changed) - LISTED
        listed = ", ".join(changed[:LISTED]) + (f" and {more} more" if more > 0 else "")
        raise RefusedError(
            root,
            "changed files",
            listed,
            "none, since an experiment stands on a commit",
            "keep the changes with: git commit -a, or put them aside with: git stash",
        )
    return commit


def check_experiment(root: Path, commit: str, name: str, params: str) -> None:
    """Refuse an experiment's name that DVC could not find again, or that is taken.

    Args:
        root: The clone.
        commit: The baseline.
        name: The experiment's.
        params: The text of its params.yaml.

    Raises:
        RefusedError: If it is not one word that git allows; if a branch, tag or commit
            has it, or an experiment on the same baseline with other parameters.
    """
    found, mend = "", "choose another --name"
    ref = _ref(commit, name)
    if not NAME.fullmatch(name) or git_or_none(root, "check-ref-format", ref) is None:
        found = "not one word that git allows"
    elif git_or_none(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
        found = "a branch, tag or commit"
    elif _tree(root, commit, name) and params.rstrip("\n") != git_or_none(
        root, "show", f"{ref}:params.yaml"
    ):
        found = "an experiment with other parameters"
        mend = f"{mend}, or remove it with: dvc exp remove {name}"
    if found:
        raise RefusedError(
            "experiment", name or "name", found, "a new name of one word", mend
        )


def save(folder: Path, commit: str, name: str) -> Saved:
    """Make an experiment of what stands in a worktree.

    Args:
        folder: The worktree, whose index is its own.
        commit: The baseline, which is checked out there.
        name: The experiment's; one of the same name is replaced.

    Returns:
        The experiment, in the repository the worktree belongs to.
    """
    before = _tree(folder, commit, name)
    git(folder, "add", "--all")
    tree = git(folder, "write-tree")
    if before and tree == before[1]:
        return Saved(name, before[0], "the same as before")
    has_identity = git_or_none(folder, "var", "GIT_COMMITTER_IDENT") is not None
    new = git(
        folder,
        *(() if has_identity else NOBODY),
        *("commit-tree", tree, "-p", commit, "-m", f"dvc: commit experiment {name}"),
    )
    old = before[0] if before else "0" * len(new)
    git(folder, "update-ref", _ref(commit, name), new, old)
    return Saved(name, new, "replaced" if before else "new")


def _ref(commit: str, name: str) -> str:
    """The git ref under which DVC keeps an experiment."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def _tree(folder: Path, commit: str, name: str) -> tuple[str, str] | None:
    """Commit and tree of the experiment of a name on a baseline; None without one."""
    ref = _ref(commit, name)
    sha = git_or_none(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return (sha, git(folder, "rev-parse", f"{sha}^{{tree}}")) if sha else None
