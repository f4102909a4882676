"""Run another study in a git worktree of its own: no file of the user's is touched.

The worktree ``.offcut/studies/<study>-<hash>`` has the last commit checked out, shares
the clone's DVC cache and ends as a DVC experiment on that commit. Its report, with the
latencies measured, is kept in ``data/experiments/<experiment>``; then it is removed.
After a failure or a kill it stays, and the next run of the same study goes on in it.
"""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, chdir
from pathlib import Path
from subprocess import run
from sys import executable

from dvc.config import Config, merge

from flows.engine.run import LOGS, Tell, alone
from flows.experiments.experiment import Saved, git, git_or_none, save
from flows.experiments.latencies import PAGES, bring, said, store
from flows.experiments.plan import STUDIES, Study
from tasks.artifacts.compiled import share_compiled
from tasks.artifacts.dvc_lock import present_fault
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import (
    check_writable,
    read_entry,
    whole_folder,
    write_json,
    write_text,
)
from tasks.artifacts.params import PARAMS

REPORT, PAGE, TABLE = Path("data/report"), "index.html", "table.json"
MARK = Path(".offcut/study.json")  # in a worktree that is whole


def perform(
    study: Study,
    graph: Callable[[], object],
    *,
    keep: bool = False,
    tell: Tell = lambda _: None,
) -> Saved:
    """Run a study and make an experiment of it.

    Another run of the same study is waited for.

    Args:
        study: What to run.
        graph: Brings the stages of the current folder, the worktree, up to date.
        keep: Whether the worktree stays after success.
        tell: Called with a line where there is something to say.

    Returns:
        The experiment.

    Raises:
        RefusedError: If a stage failed.
    """
    check_writable(study.root / STUDIES)
    lock = study.root / STUDIES / f"{study.key}.lock"
    with alone(tell, lock):
        _prepare(study, tell)
        try:
            with chdir(study.folder):
                graph()
        except RefusedError as error:
            place = study.folder.relative_to(study.root)
            raise RefusedError(
                f"study {study.name}",
                error.field,
                error.found,
                error.expected,
                f"it stays in {place} with its logs in {LOGS}; the same command goes "
                f"on there, git worktree remove --force {place} gives it up",
            ) from None
        brought, commands = bring(study.folder, study.root)
        report = study.folder / REPORT
        # the page was written without them, or is not there where all was cached
        if brought or ((report / TABLE).exists() and not (report / PAGE).exists()):
            _run_module(study.folder, "tasks.report")
        for line in said(brought, commands):
            tell(line)
        saved = save(study.folder, study.commit, study.experiment)
        logs = study.folder / LOGS
        if logs.exists():
            kept = study.root / LOGS / study.experiment
            shutil.copytree(logs, kept, dirs_exist_ok=True)
        if (report / PAGE).exists():
            with whole_folder(study.root / PAGES / study.experiment, 0) as folder:
                shutil.copytree(report, folder, dirs_exist_ok=True)
                store(study.folder, folder / "profiles")
            tell(f"report: {study.root / PAGES / study.experiment / PAGE}")
        if not keep:
            with _git_alone(study):
                _remove(study)
    return saved


def _prepare(study: Study, tell: Tell) -> None:
    """Make the worktree, or clear up the one that a failure or a kill left."""
    if _cleared(study):
        tell(f"going on in {study.folder.relative_to(study.root)}")
        _fill(study)
        return
    with _git_alone(study):
        _remove(study)
        git(
            study.root,
            *("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet"),
            *("--force", "--force", "--detach", str(study.folder), study.commit),
        )
    share_compiled(study.root, study.folder)
    if _fill(study).exists():
        # what the commit's dvc.lock names and the cache has need not be made again
        options = ("--quiet", "--force", "--allow-missing")
        _run_module(study.folder, "dvc", "checkout", *options)
    write_json(study.folder / MARK, {"commit": study.commit})


def _cleared(study: Study) -> bool:
    """Clear up the worktree, if there is one that was made to its end.

    Returns:
        Whether there is; another one has to be made anew.
    """
    folder = study.folder
    try:
        mark = read_entry(folder / MARK, "make study", "commit", str)
        # git looks no further up, where it would find the user's clone
        if not mark == study.commit == git(folder, "rev-parse", "HEAD"):
            return False
        # whoever held these locks is gone: this process holds the study's
        place = Path(git(folder, "rev-parse", "--absolute-git-dir"))
        (place / "index.lock").unlink(missing_ok=True)
        (folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
        # dvc.lock knows which stages have ended; all else is as committed
        git(folder, "reset", "--quiet")
        git(folder, "checkout", "HEAD", "--", ".", ":(exclude)dvc.lock")
        git(folder, "clean", "--force", "-d", "--quiet")
        if present_fault(folder):  # what it lost comes from the cache
            git(folder, "checkout", "HEAD", "--", "dvc.lock")
    except (OSError, ValueError, RefusedError):
        return False
    return True


def _fill(study: Study) -> Path:
    """Write into the worktree what is not in git.

    Returns:
        The folder of DVC's cache.
    """
    folder = study.folder
    for file in study.new:
        copy = folder / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        shutil.copyfile(study.root / file, copy, follow_symlinks=False)
    write_text(folder / PARAMS, study.params)
    _run_module(folder, "tasks.artifacts.environment")
    return _share_cache(study.root, folder)


def _share_cache(root: Path, folder: Path) -> Path:
    """Give a worktree the clone's cache and DVC settings, the user's own included.

    DVC reads relative paths as from the file they stand in, and writes them so.

    Returns:
        The folder of the cache.
    """
    source, target = Config(root / ".dvc"), Config(folder / ".dvc")
    with target.edit("local") as local:
        for level in ("repo", "local"):
            merge(local, source.load_one(level))
        cache = str(source["cache"].get("dir") or root / ".dvc/cache")
        local["cache"]["dir"] = cache
        # what DVC remembers of this folder goes with it
        local["core"]["site_cache_dir"] = str(folder / ".dvc/tmp/site")
    Path(target.files["local"]).chmod(0o600)  # it can hold passwords
    return Path(cache)


def _run_module(folder: Path, module: str, *arguments: str) -> None:
    """Run a Python module as a command in a folder.

    Raises:
        RefusedError: If it fails.
    """
    command = [executable, "-m", module, *arguments]
    done = run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RefusedError(
            folder, module, done.stderr[-500:], "exit code 0", "do as it says"
        )


def _remove(study: Study) -> None:
    """Remove the worktree, whatever state it is in; other worktrees are left alone."""
    (study.folder / MARK).unlink(missing_ok=True)  # killed now, it is not whole
    shutil.rmtree(study.folder, ignore_errors=True)
    place = str(study.folder)
    git_or_none(study.root, "worktree", "remove", "--force", "--force", place)
    # an entry git was killed in the middle of, which it keeps and does not list
    common = ("--path-format=absolute", "--git-common-dir")
    entries = Path(git(study.root, "rev-parse", *common), "worktrees")
    for entry in entries.glob(f"{study.key}*"):
        if not (entry / "gitdir").exists():
            shutil.rmtree(entry)


def _git_alone(study: Study) -> AbstractContextManager[None]:
    """Hold the lock for git's list of worktrees, which is not made for several."""
    return alone(lambda _: None, study.root / STUDIES / "git.lock")
