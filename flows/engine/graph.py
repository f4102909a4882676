"""The graph of dvc.yaml: what changed, what has to run, what is recorded.

A stage goes the way ``dvc repro`` sends it, by DVC's Python API: an unchanged stage is
left alone, one that ran before with the same inputs comes from the run cache, others
run; then outputs are hashed and put into the cache and dvc.lock gets the entry.
Different from ``dvc repro``:

* dvc.lock is replaced in one step, at a cost that does not grow with the stages.
* A dependency edited while its stage runs fails the stage. DVC would record the new
  file as what the output was made from. The same holds for the files under tasks/
  that a stage's methods are made of, from when the stage `code` hashed them.
* A stage that another process is working on is waited for.

DVC's API is not stable, so pyproject.toml bounds its version, and tests compare with
the command line. All calls hold one lock: DVC is not made for threads.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.rwlock import rwlock
from dvc.stage import PipelineStage, Stage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.exceptions import StageNotFound
from dvc.stage.run import get_executable, prepare_kwargs
from dvc.stage.serialize import to_lockfile
from tqdm import tqdm

from flows.engine.code_guard import edited
from flows.engine.lock_writer import LockFile
from flows.engine.outputs import check_outputs
from flows.engine.processes import Command
from flows.engine.refusals import (
    explain,
    refuse_edited,
    refuse_params,
    unknown_target,
)
from flows.engine.stages import dep_paths, has_changed, unlocked
from tasks.artifacts.begun import mark_begun
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable
from tasks.artifacts.mend import mend_held_files, mend_run_cache
from tasks.artifacts.names import check_names
from tasks.artifacts.params import PARAMS, load
from tasks.code.blocks import check_shape

# DVC's progress bars would start a thread; where Python ends just then, that hangs
tqdm.monitor_interval = 0
BUSY = 0.5  # seconds between two looks at a stage another process works on


class Graph:
    """Stages of the project in the current folder.

    Args:
        targets: Stages to bring up to date, with all they stand on; names, groups or
            files as in ``dvc repro TARGET``. None are all.
        force: Whether to run stages that did not change.

    Attributes:
        names: Stages in the order ``dvc repro`` runs them.
        parents: Stages that each one reads outputs of.

    Raises:
        RefusedError: If a name in params.yaml is none, or dvc.yaml has a cycle, a
            missing dependency, no stage or no such target; if an output of a stage may
            be the user's own.
    """

    def __init__(self, targets: Sequence[str] = (), *, force: bool = False) -> None:
        self.force = force
        self._lock = threading.RLock()
        self._held: dict[str, AbstractContextManager[None]] = {}
        if PARAMS.exists():
            params = load()
            check_shape(params)
            check_names(params)  # DVC makes commands and paths of them
        try:
            self.repo = Repo(_wait_for_lock=True)
            mend_held_files(Path(self.repo.tmp_dir or ""))
            mend_run_cache(Path(self.repo.stage_cache.cache_dir))
            with self.repo.lock:
                graph = get_active_graph(self.repo.index.graph)
                chosen = collect_stages(self.repo, targets) if targets else None
                steps = plan_repro(graph, chosen)
        except StageNotFound as error:
            raise unknown_target(targets, graph, error) from None
        except DvcException as error:
            refuse_params(error)
            raise RefusedError(
                "dvc.yaml",
                "graph",
                explain(error),
                "stages that follow from each other",
                "mend it; dvc dag shows the graph",
            ) from None
        self._stages: dict[str, Stage] = {s.addressing: s for s in steps}
        if not steps:
            raise RefusedError(
                "dvc.yaml", "stages", "none", "stages", "run: git checkout dvc.yaml"
            )
        self.names = list(self._stages)
        self.parents = {
            s.addressing: {p.addressing for p in graph.successors(s)} for s in steps
        }
        self._check_dependencies()
        with self._alone():
            check_outputs(steps)
        self._locks: dict[Path, LockFile] = {}

    def outputs(self, name: str) -> list[Path]:
        """Paths a stage writes, relative to the project where they lie in it."""
        return [Path(str(out)) for out in self._stages[name].outs]

    def is_up_to_date(self, name: str) -> bool:
        """Whether a stage has nothing to run, if those before it have not."""
        stage = self._stages[name]
        with self._alone():
            return not (self.force or has_changed(stage))

    def begin(
        self, name: str, tell: Callable[[str], None] = lambda _: None
    ) -> Command | str:
        """Prepare a stage to run, whose parents have ended.

        Args:
            name: The stage.
            tell: Called with a line where another process keeps it waiting.

        Returns:
            What to run, with the stage's outputs held for this process until `end` or
            `leave`; or, where nothing has to be run, why.

        Raises:
            RefusedError: If a dependency is missing, or the stage's code was edited
                since it was hashed.
        """
        stage, last = self._stages[name], ""
        while True:
            try:
                with self._alone():
                    return self._try_to_begin(name, stage)
            except LockError as error:
                if str(error) != last:
                    tell(f"waiting: {explain(error)}")
                last = str(error)
                time.sleep(BUSY)

    def end(self, name: str) -> None:
        """Record a stage whose command succeeded.

        Args:
            name: The stage, which `begin` prepared.

        Raises:
            RefusedError: If an output is missing or a dependency changed meanwhile.
        """
        stage = self._stages[name]
        with self._alone():
            try:
                before = {str(dep): dep.hash_info for dep in stage.deps}
                stage.save_deps()
                changed = [str(d) for d in stage.deps if d.hash_info != before[str(d)]]
                refuse_edited(name, [*changed, *edited(dep_paths(stage))], "the stage")
                self._record(stage)
            finally:
                self._release(name)

    def leave(self, name: str) -> None:
        """Give up a stage whose command failed; nothing is recorded."""
        with self._alone():
            self._release(name)

    def _try_to_begin(self, name: str, stage: Stage) -> Command | str:
        """Prepare a stage as `begin` does, without waiting for another process.

        Raises:
            LockError: If another process holds one of its outputs.
        """
        if stage.cmd is None or stage.frozen:  # a tracked file, or not to be run
            ran = stage.reproduce()
            if ran:
                stage.dump(update_pipeline=False)
            return "recorded" if ran else "unchanged"
        if not self.force and not has_changed(stage):
            return "unchanged"
        refuse_edited(name, edited(dep_paths(stage)), "the graph")
        check_writable(Path(self.repo.cache.local.path))  # before outputs are removed
        self._hold(name, stage)
        try:
            unlocked(Stage.remove_outs)(stage)
            if restored := not self.force:
                try:
                    self.repo.stage_cache.restore(stage)
                except RunCacheNotFoundError:
                    restored = False
            stage.save_deps()
            if restored:
                self._record(stage)
                self._release(name)
                return "known, from the run cache"
        except BaseException:
            self._release(name)
            raise
        mark_begun(name)
        kwargs = prepare_kwargs(stage)
        lines = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
        # a stage says `python`: the one that runs this, whatever the PATH
        path = [str(Path(sys.executable).parent), kwargs["env"].get("PATH", os.defpath)]
        env = kwargs["env"] | {"PATH": os.pathsep.join(path)}
        return Command(tuple(lines), get_executable(), env, Path(kwargs["cwd"]))

    def _record(self, stage: Stage) -> None:
        """Hash the outputs, put them into the cache and the entry into dvc.lock."""
        cacheable = all(o.use_cache or o.is_metric or o.is_plot for o in stage.outs)
        stage.save_outs()
        if cacheable:
            self.repo.stage_cache.save(stage)
        unlocked(Stage.commit)(stage)
        self._write(stage)

    def _write(self, stage: Stage) -> None:
        """Put a stage's entry into dvc.lock."""
        if not isinstance(stage, PipelineStage):
            stage.dump(update_pipeline=False)
            return
        path = Path(stage.path).with_suffix(".lock")
        if path not in self._locks:
            of_file = [s for s in self._stages.values() if s.path == stage.path]
            self._locks[path] = LockFile(path, [str(s.name) for s in of_file])
        self._locks[path].put(str(stage.name), to_lockfile(stage)[stage.name])

    def _hold(self, name: str, stage: Stage) -> None:
        """Hold a stage's outputs against other DVC processes while its command runs.

        Its dependencies are compared afterwards instead: readers of the same process
        share one entry in DVC's lock, and the first to end would take it away.
        """
        lock = rwlock(
            self.repo.tmp_dir,
            self.repo.fs,
            " ".join(sys.argv),  # the name under which DVC's own methods look
            [],
            [out.fs_path for out in stage.outs],
            self.repo.config["core"].get("hardlink_lock", False),
        )
        lock.__enter__()
        self._held[name] = lock

    def _release(self, name: str) -> None:
        """Give up the hold on a stage's outputs, if there is one."""
        lock = self._held.pop(name, None)
        if lock:
            lock.__exit__(None, None, None)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and processes out of DVC; its errors become refusals."""
        with self._lock, self.repo.lock:
            try:
                yield
            except LockError:
                raise
            except DvcException as error:
                raise RefusedError(
                    "dvc.yaml",
                    "stage",
                    explain(error),
                    "what the stage names",
                    "mend it and run again",
                ) from None

    def _check_dependencies(self) -> None:
        """Refuse, before anything runs, what no file and no stage provides."""
        outputs = [out.fs_path for s in self._stages.values() for out in s.outs]
        for name, stage in self._stages.items():
            for dep in stage.deps:
                path = dep.fs_path
                overlaps = dep.fs.overlaps
                if dep.fs.exists(path) or any(overlaps(path, out) for out in outputs):
                    continue
                raise RefusedError(
                    "dvc.yaml",
                    f"{name}: deps",
                    f"{dep}, which does not exist",
                    "a file, or an output of a stage",
                    "create it, or mend the stage",
                )
