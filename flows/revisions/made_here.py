"""Make a revision's results here, where those it names were made elsewhere.

A clone has dvc.lock, but neither the results it names nor, on another processor, a way
to make the same bytes. So the revision is run in a git worktree, as a study is. What it
leaves becomes the experiment ``here-<hash>`` on its commit, whose dvc.lock names what
this machine made, and a comparison reads that where the revision's own cannot be had.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from flows.engine.run import Tell
from flows.experiments.experiment import git, git_or_none
from flows.experiments.plan import Study
from flows.experiments.worktree import perform
from tasks.artifacts.params import PARAMS
from tasks.compare import Source

DIGITS = 10  # of a commit's hash in the experiment's name


def experiment(commit: str) -> str:
    """The name of the experiment that holds what was made here of a commit."""
    return f"here-{commit[:DIGITS]}"


def made_here(root: Path, commit: str) -> str:
    """The commit of that experiment; empty if there is none.

    Args:
        root: The clone.
        commit: The revision's SHA-1.
    """
    ref = f"refs/exps/{commit[:2]}/{commit[2:]}/{experiment(commit)}"
    return git_or_none(root, "rev-parse", "--verify", "--quiet", ref) or ""


def make_here(
    root: Path, revisions: Iterable[Source], graph: Callable[[], object], tell: Tell
) -> None:
    """Run the graph at every commit that lacks results.

    What was made before comes from the cache; killed, it goes on when called again.

    Args:
        root: The clone.
        revisions: As laid out; those that lack nothing, and the workspace, are left.
        graph: Brings the stages of the current folder, a worktree, up to date.
        tell: Called with a line where there is something to say.

    Raises:
        RefusedError: If a stage failed; the worktree stays, with its logs.
    """
    root = root.resolve()
    lacking = {one.sha: one.name for one in revisions if one.sha and one.missing}
    for commit, name in lacking.items():
        tell(f"making {name} here, in a worktree of its commit {commit[:DIGITS]}")
        text = git(root, "show", f"{commit}:./{PARAMS}") + "\n"
        key = experiment(commit)
        planned = Study(root, name, (), commit, text, key, key)
        tell(str(perform(planned, graph, tell=tell)))
