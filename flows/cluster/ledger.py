"""The graph of the driver, which judges by what dvc.lock records."""

from collections.abc import Iterable, Sequence

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.stage import Stage
from dvc.stage.loader import StageLoader
from dvc_data.hashfile.tree import Tree

from flows.cluster.dvc_remote import Shared, git, ids, overlap, tree_of
from flows.cluster.jobs import Data, Job, Result, check_result, machine_and_folder
from flows.engine.code_guard import edited, recorded
from tasks.artifacts.errors import RefusedError


class Ledger(Shared):
    """The graph of the driver, which judges by what dvc.lock records.

    A dependency that stages write has the hash those stages recorded, wherever the
    files are. Only what stages that run in this folder read is fetched.
    """

    def __init__(self, targets: Sequence[str] = (), *, force: bool = False) -> None:
        super().__init__(targets, force=force)
        outs = [out for stage in self._stages.values() for out in stage.outs]
        with self._alone():  # ask the remote once, not once a stage
            away = [
                o for o in outs if o.use_cache and o.hash_info and o.changed_cache()
            ]
            self._lacking({out.hash_info.value for out in away})
            held = [o for o in away if o.hash_info.value in self._remote_has]
            lists = [o.hash_info for o in held if o.hash_info.isdir]
            self._ask(self.repo.cloud.pull, lists)
            self._lacking(set().union(*(ids(self._object(out)) for out in held)))

    def runs_here(self, name: str) -> bool:
        """Whether a stage has to run here, as the remote will not have all it writes.

        Such stages write outputs outside the cache (those in git), ones that are not
        pushed or that a run begins from; or they run no command.
        """
        stage = self._stages[name]
        return (
            not stage.cmd
            or stage.frozen
            or any(not o.use_cache or not o.can_push or o.persist for o in stage.outs)
        )

    def is_up_to_date(self, name: str) -> bool:
        """Whether nothing changed for a stage, and cache or remote has its outputs."""
        stage = self._stages[name]
        with self._alone():
            if not stage.cmd and any(o.exists and o.status() for o in stage.outs):
                return False
            if stage.cmd and not stage.frozen:
                always = stage.changed_stage() or stage.is_callback
                if self.force or always or stage.always_changed:
                    return False
                if not all(self._is_as_recorded(stage, dep) for dep in stage.deps):
                    return False
            return all(self._is_available(out) for out in stage.outs)

    def job(self, name: str) -> Job:
        """Describe a stage for a worker, and push what it reads to the remote.

        Args:
            name: The stage, whose parents have ended.
        """
        stage = self._stages[name]
        with self._alone():
            data = self._data(stage)
            for out in self._above(stage):
                if out.use_cache:
                    self._push(out)
            code, params = self._sources(stage, data)
        sources = recorded(code)
        changes = _edited([*code, *params, *sources])
        outs = sorted(out.def_path for out in stage.outs)
        return Job(
            stage=name,
            definition=self._definition(stage),
            code=code,
            sources=sources,
            params=params,
            data=data,
            outs=outs,
            rev=_revision(),
            home=machine_and_folder(),
            edited=changes,
            force=self.force,
        )

    def accept(self, job: Job, result: Result) -> None:
        """Record what a worker made of a job.

        Args:
            job: What was sent to it.
            result: What came back, with an entry of dvc.lock.

        Raises:
            RefusedError: If the entry belongs to something else, or a dependency
                changed here meanwhile.
        """
        stage = self._stages[job.stage]
        check_result(job, result)
        with self._alone():
            code, params = self._sources(stage, job.data)
            if (code, params) != (job.code, job.params) or edited(code):
                raise RefusedError(
                    job.stage,
                    "dependency",
                    "one that changed while the stage ran",
                    "what the outputs were made from",
                    "run it again",
                )
            for files in result.files.values():
                tree = tree_of(files)
                cache = self.repo.cache.local
                cache.add([tree.path], tree.fs, [tree.oid], hardlink=False)
            StageLoader.fill_from_lock(stage, result.entry)
            self._write(stage)
            for out in stage.outs:
                self._remote_has |= ids(self._object(out))

    def fetch(self, name: str) -> None:
        """Put a stage's outputs into their places in this folder."""
        with self._alone():
            for out in self._stages[name].outs:
                if out.use_cache:
                    obj = self._object(out)
                    files = obj.as_list() if isinstance(obj, Tree) else None
                    self._bring(out, Data(str(obj.hash_info.value), files))

    def absent(self) -> int:
        """How many outputs of all stages are not in this folder."""
        outs = [o for s in self._stages.values() for o in s.outs]
        return sum(not out.exists for out in outs)

    def _is_as_recorded(self, stage: Stage, dep: Output) -> bool:
        """Whether a dependency has the content that was recorded for the stage."""
        outs = [o for o in self._above(stage) if o.use_cache and overlap(dep, o)]
        if not outs:
            return not dep.status()
        return bool(
            dep.hash_info
            and self._expected(dep, outs).hash_info.value == dep.hash_info.value
        )

    def _is_available(self, out: Output) -> bool:
        """Whether an output is as recorded, in its place, the cache or the remote."""
        if not out.use_cache:
            return not out.status()
        if not out.hash_info:
            return False
        if not out.changed_cache():
            return True
        try:
            return self._lacking(ids(self._object(out))) == set()
        except DvcException:
            return False


def _revision() -> str:
    """The SHA-1 of the commit that is checked out, or that there is none."""
    return git("rev-parse", "HEAD").strip() or "no commit"


def _edited(paths: Iterable[str]) -> dict[str, bool]:
    """Which of some files and folders are not as in the commit.

    Returns:
        Of each of these whether git would commit it: False for what it ignores.
    """
    status = git("status", "--porcelain", "-z", "--ignored", "--", *paths)
    changes: dict[str, bool] = {}
    for line in filter(None, status.split("\0")):
        name, ignored = line[3:].rstrip("/"), line.startswith("!!")
        for path in paths:
            if ignored and f"{path}/".startswith(f"{name}/"):
                changes[path] = False
            elif not ignored and f"{name}/".startswith(f"{path}/"):
                changes[path] = True
    return changes
