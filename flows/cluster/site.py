"""The graph in a worker's clone, where a stage is made and pushed."""

from typing import Any

from dvc.stage import Stage
from dvc.stage.serialize import to_lockfile
from dvc_data.hashfile.tree import Tree

from flows.cluster.dvc_remote import Shared
from flows.cluster.jobs import Files, Job
from flows.engine.code_guard import differing, is_code, recorded, refresh
from tasks.artifacts.errors import RefusedError


class Site(Shared):
    """The graph in a worker's clone: stages are made and pushed, not recorded.

    dvc.lock is in git; were it written here, the next revision could not be checked
    out. DVC's run cache remembers instead.
    """

    @classmethod
    def for_job(cls, job: Job) -> "Site":
        """Read the graph, whose stage must be here as it is where the run started.

        Args:
            job: The stage, with hashes of all it depends on.

        Raises:
            RefusedError: If files differ, which it names; says how to make them equal.
        """
        if job.sources:
            refresh()
        try:
            site = cls([job.stage], force=job.force)
        except RefusedError as error:
            mend = f"{error.mend}; or run here: {_checkout(job)}"
            raise RefusedError(
                error.where, error.field, error.found, error.expected, mend
            ) from None
        stage, differ = site._stages[job.stage], {"dvc.yaml"}
        if site._definition(stage) == job.definition:
            with site._alone():
                code, params = site._sources(stage, job.data)
            differ = {p for p, md5 in job.code.items() if code[p] != md5}
            # what of the code differs says more than which method's list does
            files = set(differing(job.sources, recorded(code)))
            differ = {p for p in differ if not (files and is_code(p))} | files
            differ |= {p for p, values in job.params.items() if params[p] != values}
        if not differ:
            return site
        mends = [f"run here: {_checkout(job)}"]
        if commit := sorted(differ & {p for p, how in job.edited.items() if how}):
            mends = [f"commit and push {', '.join(commit)} there, then {mends[0]}"]
        if ignored := sorted(differ & {p for p, how in job.edited.items() if not how}):
            mends.append(
                f"git ignores {', '.join(ignored)}: it has to come out the same on "
                "both machines; environment.json names processor and versions"
            )
        raise RefusedError(
            ", ".join(sorted(differ)),
            job.stage,
            "other content than where the run started",
            f"that of revision {job.rev}",
            "; ".join(mends),
        )

    def push(self, name: str) -> tuple[dict[str, Any], dict[str, Files]]:
        """Push what a stage has written to the remote.

        Returns:
            Its entry of dvc.lock; and the files of each output that is a folder, by the
            output's path.
        """
        stage = self._stages[name]
        with self._alone():
            files = {}
            for out in stage.outs:
                self._push(out)
                obj = self._object(out)
                if isinstance(obj, Tree):
                    files[out.def_path] = obj.as_list()
            entry = to_lockfile(stage)[stage.name]
        return entry, files

    def _write(self, stage: Stage) -> None:
        """Leave dvc.lock as it is in git."""


def _checkout(job: Job) -> str:
    """The command that makes a clone equal to the driver's."""
    return f"git fetch && git checkout {job.rev}"
