"""A graph whose outputs lie in DVC's remote, as the runs on a cluster need it.

The machines of a cluster share nothing but git and the remote. So the machine that
drives the run judges stages by what dvc.lock records: a dependency that stages write
has the hash those stages recorded, wherever the files are.
"""

import subprocess
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.stage import Stage
from dvc.stage.serialize import to_pipeline_file
from dvc.stage.utils import split_params_deps
from dvc_data.hashfile.build import build
from dvc_data.hashfile.checkout import PromptError, checkout
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.obj import HashFile
from dvc_data.hashfile.tree import Tree

from flows.cluster.jobs import Data, Files
from flows.engine.graph import Graph
from tasks.artifacts.errors import RefusedError


class Shared(Graph):
    """A graph whose outputs lie in the remote, and in this folder only where needed.

    Args:
        targets: Stages to bring up to date, with all they stand on; none are all.
        force: Whether to run stages that did not change.

    Raises:
        RefusedError: If dvc.yaml has a cycle, a missing dependency or no such target,
            or there is no remote that answers.
    """

    def __init__(self, targets: Sequence[str] = (), *, force: bool = False) -> None:
        super().__init__(targets, force=force)
        self._remote_has: set[str] = set()
        try:
            self.remote = self.repo.cloud.get_remote_odb()
            self.remote.exists("0" * 32)
        except Exception as error:  # each file system has errors of its own
            raise RefusedError(
                ".dvc/config",
                "core.remote",
                " ".join(str(error).split()) or repr(error),
                "a DVC remote that all machines of the cluster reach",
                "name one with: dvc remote add -d NAME URL",
            ) from error

    def bring(self, name: str, data: dict[str, Data] | None = None) -> None:
        """Put what a stage reads where it reads it, and nothing else beside it.

        Args:
            name: The stage.
            data: Its dependencies by path; None are those its parents recorded.

        Raises:
            RefusedError: If neither the cache nor the remote has a file, or one
                stands in the way that the cache does not have.
        """
        stage = self._stages[name]
        with self._alone():
            data = self._data(stage) if data is None else data
            for dep in stage.deps:
                if dep.def_path in data:
                    self._bring(dep, data[dep.def_path])

    def _above(self, stage: Stage) -> list[Output]:
        """The outputs of its parents that a stage reads."""
        outs = [o for p in self.parents[stage.addressing] for o in self._stages[p].outs]
        return [o for o in outs if any(overlap(dep, o) for dep in stage.deps)]

    def _data(self, stage: Stage) -> dict[str, Data]:
        """The dependencies of a stage that stages put into the cache, by path.

        Hashes are those that the stages recorded, wherever the files are.
        """
        outs = [out for out in self._above(stage) if out.use_cache]
        data = {}
        for dep in split_params_deps(stage)[1]:
            overlapping = [out for out in outs if overlap(dep, out)]
            if overlapping:
                obj = self._expected(dep, overlapping)
                files = obj.as_list() if isinstance(obj, Tree) else None
                data[dep.def_path] = Data(str(obj.hash_info.value), files)
        return data

    def _expected(self, dep: Output, outs: list[Output]) -> HashFile:
        """The content of a dependency, from what was recorded of outputs.

        Args:
            dep: It is one of the outputs, lies in one, or is a folder around some.
            outs: The outputs.
        """
        first = outs[0]
        if dep.fs_path == first.fs_path:
            return self._object(first)
        if dep.fs.isin(dep.fs_path, first.fs_path):
            key = dep.fs.relparts(dep.fs_path, first.fs_path)
            tree = self._object(first)
            obj = tree.get_obj(dep.cache, key) if isinstance(tree, Tree) else None
            if obj is None:
                raise DvcException(f"dependency '{dep}' is not in output '{first}'")
            return obj
        whole = Tree()
        for key, info in self._in_git(dep, outs):
            whole.add(key, None, info)
        for out in outs:
            key, obj = dep.fs.relparts(out.fs_path, dep.fs_path), self._object(out)
            for below, _, info in obj if isinstance(obj, Tree) else []:
                whole.add((*key, *below), None, info)
            if not isinstance(obj, Tree):
                whole.add(key, None, out.hash_info)
        whole.digest()
        return whole

    def _in_git(
        self, dep: Output, outs: list[Output]
    ) -> Iterable[tuple[tuple[str, ...], HashInfo]]:
        """Path and hash of the files of a folder that git tracks, so every clone has.

        What the outputs hold is left out.
        """
        listed = git("ls-files", "-z", "--", dep.fs_path)
        for name in filter(None, listed.split("\0")):
            path = str(Path(name).resolve())
            is_output = any(dep.fs.isin_or_eq(path, out.fs_path) for out in outs)
            if not is_output and Path(path).exists():
                if dep.dvcignore and dep.dvcignore.is_ignored(dep.fs, path):
                    continue
                yield dep.fs.relparts(path, dep.fs_path), self._hash(dep, path)

    def _object(self, out: Output) -> HashFile:
        """An output as recorded; of a folder the list of its files."""
        info = out.hash_info
        if not info.isdir:
            return out.cache.get(info.value)
        if not out.cache.exists(info.value) and not self._lacking({info.value}):
            self._ask(self.repo.cloud.pull, [info])
        obj = out.get_obj()
        if obj is None:
            raise DvcException(
                f"neither the cache nor the remote has output '{out}' ({info.value})"
            )
        return obj

    def _ask(self, call: Callable[[Any], Any], argument: Any) -> Any:
        """Call what uses the remote; its errors become a RefusedError."""
        try:
            return call(argument)
        except DvcException:
            raise
        except Exception as error:  # each file system has errors of its own
            raise RefusedError(
                self.remote.fs.unstrip_protocol(self.remote.path),
                "DVC remote",
                f"{type(error).__name__}: {error}",
                "an answer",
                "mend address, credentials or network and run again",
            ) from error

    def _lacking(self, ids: set[str]) -> set[str]:
        """Those of some objects, by hash, that the remote does not have."""
        unknown = ids - self._remote_has
        if unknown:
            self._remote_has |= set(self._ask(self.remote.oids_exist, unknown))
        return ids - self._remote_has

    def _push(self, out: Output) -> None:
        """Put an output into the remote, unless it is there."""
        objects = ids(self._object(out))
        if objects <= self._remote_has:
            return
        self._ask(self.repo.cloud.push, [HashInfo("md5", i) for i in objects])
        if lacking := self._lacking(objects):
            raise DvcException(f"output '{out}' could not be pushed: {lacking}")

    def _bring(self, dep: Output, data: Data) -> None:
        """Put one dependency into its place, from git, the cache or the remote.

        Raises:
            RefusedError: If nobody has a file, or one stands in the way that the cache
                does not have.
        """
        cache = dep.cache
        obj = cache.get(data.md5) if data.files is None else tree_of(data.files)
        paths = {data.md5: str(dep)}  # by hash
        if data.files is not None:
            paths = {f["md5"]: f"{dep}/{f['relpath']}" for f in data.files}
        absent = {i: path for i, path in paths.items() if not cache.exists(i)}
        for info, path in absent.items():  # what git has is in its place already
            if dep.fs.isfile(path) and self._hash(dep, path).value == info:
                cache.add([path], dep.fs, [info], hardlink=False)
        absent = {i: path for i, path in absent.items() if not cache.exists(i)}
        if absent:
            self._ask(self.repo.cloud.pull, [HashInfo("md5", i) for i in absent])
        for info, path in absent.items():
            if not cache.exists(info):
                raise RefusedError(
                    path,
                    "file",
                    "none of the recorded content, nor has the remote one",
                    info,
                    "if git tracks it, commit it and fetch it here; if not, run: "
                    "dvc push, where it is",
                )
        # `dvc checkout` removes what was noted as put there and is no output
        outs = {out.fs_path for s in self._stages.values() for out in s.outs}
        try:
            checkout(
                dep.fs_path,
                dep.fs,
                obj,
                cache,
                ignore=dep.dvcignore,
                state=self.repo.state if dep.fs_path in outs else None,
                prompt=lambda _: False,
            )
        except PromptError as error:
            raise RefusedError(
                dep,
                "content",
                f"{error.path}, which is not what the stages recorded",
                "nothing that the cache does not have",
                "move it away",
            ) from None

    def _hash(self, dep: Output, path: str) -> HashInfo:
        """DVC's hash of a file that lies in or at a dependency."""
        return build(dep.local_cache, path, dep.fs, "md5", dry_run=True)[2].hash_info

    def _sources(
        self, stage: Stage, data: Container[str]
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """What a stage depends on that no stage puts into the cache, as it stands here.

        The stage keeps the recorded hashes, so that it can still tell what changed.

        Args:
            stage: The stage.
            data: Paths of the dependencies that stages put into the cache.

        Returns:
            Hashes of files by path, ``none`` for one that is missing; and values of
            parameters by file.
        """
        code, params = {}, {}
        values, files = split_params_deps(stage)
        for dep in values:
            params[dep.def_path] = dep.get_hash().value
        for dep in files:
            if dep.def_path not in data:
                code[dep.def_path] = dep.get_hash().value if dep.exists else "none"
        return code, params

    def _definition(self, stage: Stage) -> dict[str, Any]:
        """A stage's block of dvc.yaml, with its templates filled in."""
        definition: dict[str, Any] = to_pipeline_file(stage)[stage.name]
        return definition


def overlap(dep: Output, out: Output) -> bool:
    """Whether a dependency is an output, lies in one, or is a folder around one."""
    return bool(
        dep.fs.isin_or_eq(dep.fs_path, out.fs_path)
        or dep.fs.isin(out.fs_path, dep.fs_path)
    )


def tree_of(files: Files) -> Tree:
    """A folder as DVC's cache holds it, from the list of its files."""
    tree = Tree.from_list(files, hash_name="md5")
    tree.digest()
    return tree


def ids(obj: HashFile) -> set[str]:
    """Hashes of the objects of the cache that hold a file or a folder."""
    inside = {info.value for _, _, info in obj} if isinstance(obj, Tree) else set()
    return {obj.hash_info.value, *inside}


def git(*arguments: str) -> str:
    """What git prints; empty where git fails, as outside a repository."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else ""
