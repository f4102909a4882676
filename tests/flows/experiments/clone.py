"""What the tests of a study's worktree ask of a clone, and the graph they run in it."""

from collections.abc import Callable
from pathlib import Path

from flows.experiments.experiment import git
from flows.experiments.plan import Study

OWN = {".git", ".offcut"}
METRICS = Path("data/report/metrics.json")


def seen(root: Path) -> list[str]:
    """What a user sees of a clone."""
    return [
        git(root, "status", "--porcelain"),
        git(root, "rev-parse", "HEAD"),
        git(root, "stash", "list"),
        git(root, "worktree", "list"),
        (root / "dvc.lock").read_text(),
        (root / "params.yaml").read_text(),
        *(str(p) for p in sorted(root.rglob("*")) if not OWN & {*p.parts}),
    ]


def write(text: str) -> Callable[[], object]:
    """A graph that writes this metric."""
    return lambda: METRICS.write_text(text)


def shown(study: Study, file: str) -> str:
    """A file of the study's experiment."""
    names = git(study.root, "for-each-ref", "--format=%(refname)", "refs/exps")
    ref = next(n for n in names.splitlines() if n.endswith(f"/{study.experiment}"))
    return git(study.root, "show", f"{ref}:{file}")
