"""What git and DVC hold, read by name or hash; nothing here writes.

DVC's stores are asked object by object, so that of a dataset only its card is fetched.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dvc.config import ConfigError
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree


class UnavailableError(Exception):
    """An object that is nowhere; ``pulled`` says whether pulling may help."""

    def __init__(self, why: str, pulled: bool) -> None:
        super().__init__(why)
        self.pulled = pulled


class Store:
    """Objects by hash, from DVC's cache, else from the default remote."""

    def __init__(self, repo: Repo) -> None:
        self.cache = repo.cache.local
        self.remote, self.name, self.broken = None, "", ""
        self.others = sorted(repo.config["remote"])
        try:
            self.name = repo.config["core"].get("remote", "")
            if self.name:
                self.remote = repo.cloud.get_remote_odb()
        except (ConfigError, ImportError, OSError) as error:
            self.broken = " ".join(str(error).split())

    def read(self, md5: str) -> bytes:
        """The object of a hash.

        Raises:
            UnavailableError: If it is in neither, or not what its hash says.
        """
        why = "not in DVC's cache"
        for where, store in (("cache", self.cache), ("remote", self.remote)):
            if store is None:
                continue
            try:
                held = store.get(md5)
                with held.fs.open(held.path, "rb") as stream:
                    content: bytes = stream.read()
            except FileNotFoundError:
                if where == "remote":
                    why += f", and not in the remote {self.name}"
                continue
            except Exception as error:  # remotes raise kinds of their own
                why += f"; the {where} {self.name}: {' '.join(str(error).split())}"
                continue
            found = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if found == md5.removesuffix(".dir"):
                return content
            why += f"; the {where} has another content under its hash"
        if self.broken:
            raise UnavailableError(f"{why}; remote {self.name}: {self.broken}", True)
        if self.remote is None:
            raise UnavailableError(f"{why}, and no default remote is set", False)
        raise UnavailableError(why, "; the remote" in why)


class Commit:
    """Files of one commit, by their paths in the project."""

    def __init__(self, repo: Repo, sha: str) -> None:
        self.fs = repo.scm.get_fs(sha)
        root, top = Path(repo.root_dir).resolve(), Path(repo.scm.root_dir).resolve()
        self.prefix = root.relative_to(top)

    def read(self, path: str) -> bytes | None:
        """A file's content, or None."""
        at = (self.prefix / path).as_posix()
        if not self.fs.isfile(at):
            return None
        with self.fs.open(at, "rb") as stream:
            content: bytes = stream.read()
        return content

    def md5(self, path: str) -> str:
        """What DVC would call a file or folder; empty if there is none."""
        at = (self.prefix / path).as_posix()
        if self.fs.isdir(at):
            files = [str(file).lstrip("/") for file in self.fs.find(at)]
            under = {Path(f).relative_to(at).as_posix(): f for f in files}
            contents = ((name, self.fs.cat_file(f)) for name, f in under.items())
            return _folder_md5(contents)
        content = self.read(path)
        return "" if content is None else _md5(content)


def workspace_md5(repo: Repo, path: str) -> str:
    """As :meth:`Commit.md5`, of the workspace, without what DVC ignores."""
    at = Path(repo.root_dir) / path
    if at.is_dir():
        files = [Path(file) for file in repo.dvcignore.find(repo.fs, str(at))]
        return _folder_md5(
            (file.relative_to(at).as_posix(), file.read_bytes()) for file in files
        )
    return _md5(at.read_bytes()) if at.exists() else ""


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _folder_md5(contents: Iterable[tuple[str, bytes]]) -> str:
    """DVC's hash of a folder: of the list of its files' hashes."""
    tree = Tree()
    for name, content in contents:
        tree.add(tuple(name.split("/")), None, HashInfo("md5", _md5(content)))
    tree.digest()
    return str(tree.oid)
