"""Read what git and DVC hold, by name or by hash; nothing here writes.

DVC's cache and remote are asked object by object, so that of a dataset only its card
is fetched.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.config import ConfigError
from dvc.repo import Repo

from flows.engine.code_guard import FOLDER as CODE
from flows.engine.code_guard import is_code
from tasks.code import texts


class UnavailableError(Exception):
    """An object that neither DVC's cache nor its remote gives.

    Attributes:
        pull: The command of DVC that may bring it, or empty if none does.
    """

    def __init__(self, why: str, pull: str) -> None:
        super().__init__(why)
        self.pull = pull


class Store:
    """Objects by hash, from DVC's cache, else from the default remote.

    Args:
        repo: The project.
    """

    def __init__(self, repo: Repo) -> None:
        self.cache = repo.cache.local
        self.remote, self.broken = None, ""
        self.name = str(repo.config["core"].get("remote", ""))
        others = sorted(set(repo.config["remote"]) - {self.name})
        self.others = f"dvc pull -r {others[0]}" if others else ""
        if self.name:
            try:
                self.remote = repo.cloud.get_remote_odb()
            except (ConfigError, ImportError, OSError) as error:
                self.broken = _line(error)

    def read(self, md5: str) -> bytes:
        """The content of an object.

        Args:
            md5: Its hash, as in dvc.lock; of a folder's list of files with ``.dir``.

        Raises:
            UnavailableError: If it is in neither, or its content has another hash.
        """
        remote = f"the remote {self.name}"
        tried = []
        for where, store in (("DVC's cache", self.cache), (remote, self.remote)):
            if store is None or (where == remote and self.broken):
                continue
            try:
                entry = store.get(md5)
                with entry.fs.open(entry.path, "rb") as stream:
                    content: bytes = stream.read()
            except FileNotFoundError:
                tried.append(f"not in {where}")
            except Exception as error:  # remotes raise kinds of their own
                if where == remote:  # asked once, not for every object again
                    self.broken = _line(error)
                else:
                    tried.append(f"not readable in {where}: {_line(error)}")
            else:
                if _md5(content) == md5.removesuffix(".dir"):
                    return content
                tried.append(f"another content under its hash in {where}")
        if self.broken:
            broken = f"{remote} does not give it: {self.broken}"
            raise UnavailableError(", and ".join([*tried, broken]), "dvc pull")
        if not self.name:
            tried.append("no default remote is set")
        raise UnavailableError(", and ".join(tried), self.others)


def _line(error: Exception) -> str:
    """The words of an error on one line; its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


class Commit:
    """Files of one commit, by their paths in the project.

    Args:
        repo: The project.
        sha: Of the commit.
    """

    def __init__(self, repo: Repo, sha: str) -> None:
        self.fs = repo.scm.get_fs(sha)
        root, top = Path(repo.root_dir).resolve(), Path(repo.scm.root_dir).resolve()
        self.prefix = root.relative_to(top)

    def read(self, path: str) -> bytes | None:
        """The content of a file; None if the commit has none of that path."""
        at = (self.prefix / path).as_posix()
        if not self.fs.isfile(at):
            return None
        with self.fs.open(at, "rb") as stream:
            content: bytes = stream.read()
        return content

    def md5(self, path: str) -> str:
        """DVC's hash of a file or folder; empty if the commit has none of that path."""
        at = (self.prefix / path).as_posix()
        if self.fs.isdir(at):
            files = [str(file).lstrip("/") for file in self.fs.find(at)]
            under = {Path(f).relative_to(at).as_posix(): f for f in files}
            contents = ((name, self.fs.cat_file(f)) for name, f in under.items())
            return _folder_md5(contents)
        content = self.read(path)
        return "" if content is None else _md5(content)

    def code_md5(self, paths: Iterable[str]) -> dict[str, str]:
        """DVC's hashes of what stages depend on as their code, by path.

        What the stage `code` writes is in no commit; it follows from ``tasks/``, whose
        files are laid out for the moment and read, not run.
        """
        with TemporaryDirectory() as place:
            at = (self.prefix / "tasks").as_posix()
            for file in map(str, self.fs.find(at)) if self.fs.isdir(at) else ():
                name = Path(file.lstrip("/")).relative_to(self.prefix)
                copy = Path(place, name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(self.fs.cat_file(file))
            params = self.read("params.yaml")  # which name worlds
            if params is not None:
                Path(place, "params.yaml").write_bytes(params)
            written = texts(Path(place))
        return {
            path: _written_md5(path, written) if is_code(path) else self.md5(path)
            for path in paths
        }


def workspace_md5(repo: Repo, path: str) -> str:
    """DVC's hash of a file or folder of the workspace, without what DVC ignores.

    Args:
        repo: The project.
        path: In the project.

    Returns:
        As hex, with ``.dir`` for a folder; empty if nothing is there.
    """
    at = Path(repo.root_dir) / path
    if at.is_dir():
        files = [Path(file) for file in repo.dvcignore.find(repo.fs, str(at))]
        return _folder_md5(
            (file.relative_to(at).as_posix(), file.read_bytes()) for file in files
        )
    return _md5(at.read_bytes()) if at.exists() else ""


def workspace_code_md5(repo: Repo, paths: Iterable[str]) -> dict[str, str]:
    """DVC's hashes of what stages depend on as their code, in the workspace.

    Args:
        repo: The project.
        paths: Of dependencies, in the project.

    Returns:
        Hash by path; empty where there is nothing.
    """
    written = texts(Path(repo.root_dir))
    return {
        path: _written_md5(path, written)
        if is_code(path)
        else workspace_md5(repo, path)
        for path in paths
    }


def _written_md5(path: str, written: Mapping[str, str]) -> str:
    """DVC's hash of a file or folder that the stage `code` writes; empty without."""
    name = Path(path).relative_to(CODE).as_posix()
    if name in written:
        return _md5(written[name].encode())
    under = {n: t for n, t in written.items() if Path(n).is_relative_to(name)}
    if not under:
        return ""
    return _folder_md5(
        (Path(n).relative_to(name).as_posix(), t.encode()) for n, t in under.items()
    )


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _folder_md5(contents: Iterable[tuple[str, bytes]]) -> str:
    """DVC's hash of a folder, which is that of the list of its files' hashes."""
    listed = [{"md5": _md5(content), "relpath": name} for name, content in contents]
    listed.sort(key=lambda file: file["relpath"])
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"
