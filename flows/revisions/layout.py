"""Lay out revisions of the project as folders, for a comparison.

A commit, branch, tag or experiment is laid out below ``.offcut/compare/``: only what
``tasks.compare.wanted`` names, read from DVC's cache, else from the default remote, and
checked against its hash. The folder is named by what decides its content, so the next
comparison finds it. Where its results were made elsewhere and cannot be had, those that
were made of it here are read (``made_here.py``). The workspace is read where it stands.
"""

import fcntl
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo
from dvc.repo.experiments.utils import exp_refs
from dvc.scm import RevError, resolve_rev

from flows.revisions.locked import ENVIRONMENT, code_paths, environments, output
from flows.revisions.made_here import made_here
from flows.revisions.mends import Absent, again, of_commit, of_workspace
from flows.revisions.objects import Commit, Store, UnavailableError, workspace_code_md5
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable, whole_folder, write_text
from tasks.artifacts.nearest import nearest
from tasks.artifacts.params import load
from tasks.artifacts.strict_json import parse_json
from tasks.artifacts.typed_json import check_typed
from tasks.compare import DOCUMENTS, WORKSPACE, Source, Wanted, wanted
from tasks.compare.files import stages

FOLDER = Path(".offcut/compare")
VERSIONS = "requirements.lock"
READERS = 8  # objects asked for at once: a remote answers slowly, but many


class Tracked(TypedDict):
    """A file of a folder, as DVC's cache lists them."""

    relpath: str
    md5: str


def sources(names: Sequence[str], root: Path = Path()) -> list[Source]:
    """Lay out revisions, each in a folder.

    Args:
        names: Commits, branches, tags, experiments, or ``workspace``; at least two.
        root: The project, which is a clone and a DVC repository.

    Returns:
        A source for the comparison a name, in the same order.

    Raises:
        RefusedError: If there are fewer than two, one is not known (the nearest is
            named), or one holds no study.
    """
    if len(names) < 2:
        raise RefusedError(
            "revisions",
            "count",
            len(names),
            "at least two, the baseline first",
            "name another, e.g. workspace",
        )
    with _repository(root) as repo, _alone(Path(repo.root_dir) / FOLDER):
        resolved = [(name, *_resolve(repo, name)) for name in names]
        make = again(names)
        return [_source(repo, name, kind, sha, make) for name, kind, sha in resolved]


@contextmanager
def _repository(root: Path) -> Iterator[Repo]:
    """Open the project for DVC.

    Raises:
        RefusedError: If it is no DVC repository, or no git repository.
    """
    try:
        repo = Repo(str(root.resolve()))
    except NotDvcRepoError:
        raise RefusedError(
            root.resolve(),
            "folder",
            "no DVC repository",
            "the project",
            "run it from the root of the project",
        ) from None
    with repo:
        if not hasattr(repo.scm, "list_branches"):
            raise RefusedError(
                root.resolve(), "folder", "no git repository", "one", "run: git init"
            )
        yield repo


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time lays out revisions."""
    check_writable(folder)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _resolve(repo: Repo, name: str) -> tuple[str, str]:
    """What kind of revision a name is, and the SHA-1 of its commit.

    Raises:
        RefusedError: If there is no such revision, or several; names the nearest.
    """
    if name == WORKSPACE:
        return WORKSPACE, ""
    known = {
        "branch": list(repo.scm.list_branches()),
        "tag": list(repo.scm.list_tags()),
        "experiment": [ref.name for ref in exp_refs(repo.scm) if ref.name],
    }
    try:
        sha = resolve_rev(repo.scm, name) if name.strip() else ""
        if sha:  # git also knows names of files and trees: pygit2 has no time of them
            repo.scm.resolve_commit(sha)
    except (AttributeError, RevError, ValueError) as error:
        if "ambiguous" in str(error):
            raise RefusedError(
                "revisions",
                name,
                "an experiment of several commits",
                "one of them",
                "name it by its hash: dvc exp list --all-commits",
            ) from None
        sha = ""
    if not sha:
        every = [*known["branch"], *known["tag"], *known["experiment"], WORKSPACE]
        near = nearest(name, every)
        raise RefusedError(
            "revisions",
            name or "''",
            "no such revision",
            "a commit, branch, tag, experiment or workspace",
            f"did you mean {near}?" if near else f"try {WORKSPACE}",
        )
    return next((kind for kind, names in known.items() if name in names), "commit"), sha


def _source(repo: Repo, name: str, kind: str, sha: str, make: str) -> Source:
    """Lay out one revision, as far as its outputs can be had.

    Where they cannot, the command ``make`` makes them.
    """
    root = Path(repo.root_dir)
    if kind == WORKSPACE:
        return _workspace(repo, root)
    tree = Commit(repo, sha)
    texts = {path: tree.read(path) for path in DOCUMENTS}
    if texts["params.yaml"] is None:
        raise RefusedError(
            f"revision {name}",
            "params.yaml",
            "nothing",
            "the composed study",
            "name a revision that has one",
        )
    digest = hashlib.sha256()
    for path, content in texts.items():
        digest.update(f"{path}\0{len(content or b'')}\0".encode() + (content or b""))
    folder = root / FOLDER / digest.hexdigest()[:16]
    check_writable(folder)
    for path, content in texts.items():
        if content is not None and not (folder / path).exists():
            write_text(folder / path, content.decode("utf-8"))
    locked = stages(folder / "dvc.lock")
    _keep_environment(root, folder, locked)
    store = Store(repo)
    outs = wanted(load(folder / "params.yaml"), f"params.yaml of {name}")
    with ThreadPoolExecutor(READERS) as pool:
        laid = pool.map(lambda out: _lay_out(store, out, locked, folder), outs)
        absent = [one for one in laid if one]
    if absent and (made := made_here(root, sha)):
        here = _source(repo, name, kind, made, make)
        subject = _subject(repo, kind, sha)
        return replace(here, kind=f"{kind}, made here", sha=sha, subject=subject)
    bring = "dvc exp apply" if kind == "experiment" else "git checkout"
    there = f"{bring} {shlex.quote(name)}"
    missing = of_commit(absent, there, make, _elsewhere(root, folder, locked))
    code = tree.code_md5(code_paths(locked))
    return Source(
        name, kind, sha, _subject(repo, kind, sha), folder, tuple(missing), code
    )


def _elsewhere(root: Path, folder: Path, locked: Mapping[str, Any]) -> str:
    """Why the cache here cannot have a revision's results; empty if nothing says so.

    Of the machine dvc.lock has the hash of environment.json alone, which differs with
    the processor, the threads and the versions installed.
    """
    here = root / ENVIRONMENT
    if (
        not here.exists()
        or not environments(locked)
        or _md5(here) in environments(locked)
    ):
        return ""
    same = (root / VERSIONS).exists() and (folder / VERSIONS).exists()
    same = same and (root / VERSIONS).read_bytes() == (folder / VERSIONS).read_bytes()
    return "made on another machine" + ("" if same else " or with other versions")


def _workspace(repo: Repo, root: Path) -> Source:
    """The workspace as a source, read where it stands."""
    locked = stages(root / "dvc.lock")
    store = Store(repo)
    absent, held = [], []
    for out in wanted(load(root / "params.yaml")):
        if any(not (root / out.out / file).exists() for file in out.files or ("",)):
            absent.append(out)
            entry = output(locked, out.out)
            if entry is not None and store.cache.exists(entry["md5"]):
                held.append(out)
    missing = of_workspace(absent, held)
    code = workspace_code_md5(repo, code_paths(locked))
    return Source(WORKSPACE, WORKSPACE, "", "", root, tuple(missing), code)


def _subject(repo: Repo, kind: str, sha: str) -> str:
    """First line of a commit's message; of an experiment that of its baseline."""
    commit = repo.scm.resolve_commit(sha)
    if kind == "experiment" and commit.parents:
        base = commit.parents[0]
        return f"on {base[:10]}: {_subject(repo, 'commit', base)}"
    lines: list[str] = commit.message.strip().splitlines()
    return lines[0] if lines else ""


def _lay_out(
    store: Store, out: Wanted, locked: Mapping[str, Any], folder: Path
) -> Absent | None:
    """Put one output into a revision's folder, as a whole or not at all.

    Returns:
        Why it could not be, if it could not.
    """
    if (folder / out.out).exists():
        return None
    entry = output(locked, out.out)
    if entry is None or not entry["md5"].endswith(".dir"):
        return Absent(out, "not in its dvc.lock", recorded=False)
    try:
        chosen = {
            PurePosixPath(file["relpath"]): file["md5"]
            for file in _listed(store.read(entry["md5"]), entry["md5"])
            if not out.files or file["relpath"] in out.files
        }
        contents = {path: store.read(md5) for path, md5 in chosen.items()}
    except UnavailableError as error:
        return Absent(out, str(error), error.pull)
    except (ValueError, RefusedError) as error:
        return Absent(out, f"DVC's list of its files: {error}")
    for path in contents:
        if ".." in path.parts or path.is_absolute():
            return Absent(out, f"it names {path}, outside its folder")
    with whole_folder(folder / out.out) as fresh:
        for path, content in contents.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(content)
    return None


def _listed(content: bytes, md5: str) -> list[Tracked]:
    """The files of a folder.

    Raises:
        RefusedError: If the list is not as DVC writes it.
        ValueError: If it is no JSON.
    """
    return check_typed(parse_json(content.decode()), list[Tracked], md5, "dvc repro")


def _keep_environment(root: Path, folder: Path, locked: Mapping[str, Any]) -> None:
    """Copy environment.json beside a revision that was made with the same one.

    It is not in git, and dvc.lock has its hash alone.
    """
    here, there = root / ENVIRONMENT, folder / ENVIRONMENT
    made_with = environments(locked)
    if here.exists() and not there.exists() and made_with == {_md5(here)}:
        write_text(there, here.read_text(encoding="utf-8"))


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
