"""The graph of the driver, which judges by what dvc.lock records."""

from collections.abc import Iterable, Sequence

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.stage import Stage
from dvc.stage.loader import StageLoader
from dvc_data.hashfile.tree import Tree

from flows.cluster.jobs import Data, Job, Made, place, unlike
from flows.cluster.remote import Shared, git, ids, overlap, tree_of
from flows.engine.closures import edited, recorded
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

    def here(self, name: str) -> bool:
        """Whether a stage has to run in this folder: the remote will not have it all.

        So it is with outputs outside the cache (those in git), with ones that are
        not pushed or that a run begins from, and with stages that run nothing.
        """
        stage = self._stages[name]
        return (
            not stage.cmd
            or stage.frozen
            or any(not o.use_cache or not o.can_push or o.persist for o in stage.outs)
        )

    def settled(self, name: str) -> bool:
        """Whether nothing changed for a stage, and its outputs are here or remote."""
        stage = self._stages[name]
        with self._alone():
            if not stage.cmd and any(o.exists and o.status() for o in stage.outs):
                return False
            if stage.cmd and not stage.frozen:
                always = stage.changed_stage() or stage.is_callback
                if self.force or always or stage.always_changed:
                    return False
                if not all(self._same(stage, dep) for dep in stage.deps):
                    return False
            return all(self._kept(out) for out in stage.outs)

    def job(self, name: str) -> Job:
        """A stage whose parents have ended; afterwards the remote has its data."""
        stage = self._stages[name]
        with self._alone():
            data = self._data(stage)
            for out in self._above(stage):
                if out.use_cache:
                    self._push(out)
            code, params = self._sources(stage, data)
        sources, form = recorded(code), self._form(stage)
        changes = _edited([*code, *params, *sources])
        outs = sorted(out.def_path for out in stage.outs)
        where = (_revision(), place())
        told = (form, code, sources, params, data, outs)
        return Job(name, *told, *where, changes, self.force)

    def accept(self, job: Job, made: Made) -> None:
        """Record what another machine made of a job.

        Raises:
            RefusedError: If it is of something else, or a dependency changed here.
        """
        stage = self._stages[job.stage]
        unlike(job, made)
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
            for listed in made.files.values():
                tree = tree_of(listed)
                cache = self.repo.cache.local
                cache.add([tree.path], tree.fs, [tree.oid], hardlink=False)
            StageLoader.fill_from_lock(stage, made.entry)
            self._write(stage)
            for out in stage.outs:
                self._remote_has |= ids(self._object(out))

    def fetch(self, name: str) -> None:
        """Put a stage's outputs into their places."""
        with self._alone():
            for out in self._stages[name].outs:
                if out.use_cache:
                    obj = self._object(out)
                    files = obj.as_list() if isinstance(obj, Tree) else None
                    self._bring(out, Data(str(obj.hash_info.value), files))

    def absent(self) -> int:
        """How many outputs are not in this folder."""
        outs = [o for s in self._stages.values() for o in s.outs]
        return sum(not out.exists for out in outs)

    def _same(self, stage: Stage, dep: Output) -> bool:
        """Whether a dependency is as recorded."""
        outs = [o for o in self._above(stage) if o.use_cache and overlap(dep, o)]
        if not outs:
            return not dep.status()
        return bool(
            dep.hash_info
            and self._expected(dep, outs).hash_info.value == dep.hash_info.value
        )

    def _kept(self, out: Output) -> bool:
        """Whether an output is as recorded, in the cache or the remote."""
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
    """The commit checked out."""
    return git("rev-parse", "HEAD").strip() or "no commit"


def _edited(paths: Iterable[str]) -> dict[str, bool]:
    """Those of some files and folders that are not as in the commit.

    Returns:
        Whether git would commit them: False for what it ignores.
    """
    told = git("status", "--porcelain", "-z", "--ignored", "--", *paths)
    found: dict[str, bool] = {}
    for line in filter(None, told.split("\0")):
        name, ignored = line[3:].rstrip("/"), line.startswith("!!")
        for path in paths:
            if ignored and f"{path}/".startswith(f"{name}/"):
                found[path] = False
            elif not ignored and f"{name}/".startswith(f"{path}/"):
                found[path] = True
    return found
