"""Another study, in a git worktree of its own: no file of the user's is touched.

The worktree ``.offcut/studies/<study>-<hash>`` has the last commit checked out, shares
the clone's DVC cache and ends as a DVC experiment on that commit. It is removed then;
after a failure or a kill it stays, and the next run of the same study goes on in it.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, chdir
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from subprocess import run
from sys import executable
from tempfile import TemporaryDirectory

import yaml
from dvc.config import Config, merge

from flows.engine.run import LOGS, Tell, alone
from flows.experiments.experiment import Saved, baseline, check_name, git, save, tells
from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable, write_json, write_text
from tasks.artifacts.params import MEND, PARAMS
from tasks.code.check import check

STUDIES = Path(".offcut/studies")
MARK = Path(".offcut/study.json")  # in a worktree that is whole
DIGITS = 7


@dataclass(frozen=True)
class Study:
    """A study that was checked; nothing of it is written yet.

    Attributes:
        root: The user's clone.
        name: A file of params/study/.
        overrides: In Hydra's grammar.
        commit: What the experiment stands on.
        params: The text of params.yaml.
        experiment: Its name.
    """

    root: Path
    name: str
    overrides: tuple[str, ...]
    commit: str
    params: str
    experiment: str

    @property
    def key(self) -> str:
        """The study's name and a hash of what makes its results."""
        return key(self.name, self.commit, self.params)

    @property
    def folder(self) -> Path:
        """The worktree."""
        return self.root / STUDIES / self.key


def key(name: str, commit: str, params: str) -> str:
    """See `Study.key`."""
    return f"{name}-{sha256((commit + params).encode()).hexdigest()[:DIGITS]}"


def plan(
    root: Path, name: str, overrides: Sequence[str] = (), experiment: str = ""
) -> Study:
    """Check a study and everything it says, and write nothing.

    Args:
        root: The user's clone.
        name: A file of params/study/.
        overrides: In Hydra's grammar, e.g. ``train.iql.expectile=0.8``.
        experiment: Its name; by default the study's with a hash.

    Raises:
        RefusedError: If tracked files are changed, or on a study, key, value or
            experiment name that will not do.
    """
    root = root.resolve()
    commit = baseline(root)
    with TemporaryDirectory() as place:
        # only what git tracks is in the commit the study runs on
        for file in filter(None, git(root, "ls-files", "-z", "params").split("\0")):
            copy = Path(place, file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy)
        _check_study(root, name, [p.stem for p in Path(place).glob("params/study/*")])
        for one in overrides:
            if one.lstrip("+~").partition("=")[0] == "study":
                raise RefusedError(
                    f"study {name}", "override", one, "a key", "name one study only"
                )
        text = composed([f"study={name}", *overrides], Path(place, "params"))
    try:
        check(yaml.safe_load(text))
    except RefusedError as error:
        raise RefusedError(
            f"study {name}",
            error.field,
            error.found,
            error.expected,
            "change the override" if overrides and error.mend == MEND else error.mend,
        ) from None
    experiment = experiment or key(name, commit, text)
    check_name(root, commit, experiment, text)
    return Study(root, name, tuple(overrides), commit, text, experiment)


def perform(
    study: Study,
    graph: Callable[[], object],
    *,
    keep: bool = False,
    tell: Tell = lambda _: None,
) -> Saved:
    """Run a study to its experiment; another run of the same one is waited for.

    Args:
        study: What to run.
        graph: Brings the stages of the current folder, the worktree, up to date.
        keep: Whether the worktree stays after success.
        tell: Called with a line where there is something to say.

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
        saved = save(study.folder, study.commit, study.experiment)
        logs = study.folder / LOGS
        if logs.exists():
            kept = study.root / LOGS / study.experiment
            shutil.copytree(logs, kept, dirs_exist_ok=True)
        if not keep:
            with _git_alone(study):
                _remove(study)
    return saved


def _check_study(root: Path, name: str, names: Sequence[str]) -> None:
    """Refuse a study that the commit does not have."""
    if name in names:
        return
    near = get_close_matches(name, sorted(names), 1, 0)
    mend = f"did you mean {near[0]}?" if near else "write one"
    file = Path("params/study", f"{name}.yaml")
    if (root / file).exists():
        mend = f"put it into git: git add {file} && git commit"
    raise RefusedError(
        "params/study", name, "no such study in git", ", ".join(sorted(names)), mend
    )


def _prepare(study: Study, tell: Tell) -> None:
    """Make the worktree, or clear up in one that a failure or a kill left."""
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
    if _fill(study).exists():
        # what the commit's dvc.lock names and the cache has need not be made again
        options = ("--quiet", "--force", "--allow-missing")
        _python(study.folder, "dvc", "checkout", *options)
    write_json(study.folder / MARK, {"commit": study.commit})


def _cleared(study: Study) -> bool:
    """Whether there is a worktree that was made to its end; then it is cleared up."""
    folder = study.folder
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        # git looks no further up, where it would find the user's clone
        if not mark["commit"] == study.commit == git(folder, "rev-parse", "HEAD"):
            return False
        # whoever held these locks is gone: this process holds the study's
        place = Path(git(folder, "rev-parse", "--absolute-git-dir"))
        (place / "index.lock").unlink(missing_ok=True)
        (folder / ".dvc/tmp/rwlock").unlink(missing_ok=True)
        # dvc.lock knows which stages have ended; all else is as committed
        git(folder, "reset", "--quiet")
        git(folder, "checkout", "HEAD", "--", ".", ":(exclude)dvc.lock")
        git(folder, "clean", "--force", "-d", "--quiet")
    except (OSError, ValueError, RefusedError):
        return False
    return True


def _fill(study: Study) -> Path:
    """Write what is not in git; returns the folder of DVC's cache."""
    folder = study.folder
    write_text(folder / PARAMS, study.params)
    _python(folder, "tasks.artifacts.environment")
    return _share_cache(study.root, folder)


def _share_cache(root: Path, folder: Path) -> Path:
    """Give a worktree the clone's cache and DVC settings, the user's own included.

    DVC reads relative paths as from the file they stand in, and writes them so.
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


def _python(folder: Path, module: str, *arguments: str) -> None:
    """Run a module in a folder.

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
    tells(study.root, "worktree", "remove", "--force", "--force", place)
    # an entry git was killed in the middle of, which it keeps and does not list
    common = ("--path-format=absolute", "--git-common-dir")
    entries = Path(git(study.root, "rev-parse", *common), "worktrees")
    for entry in entries.glob(f"{study.key}*"):
        if not (entry / "gitdir").exists():
            shutil.rmtree(entry)


def _git_alone(study: Study) -> AbstractContextManager[None]:
    """One at a time: git's list of worktrees is not made for several."""
    return alone(lambda _: None, study.root / STUDIES / "git.lock")
