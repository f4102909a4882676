"""Whether what lies in an output's place may be removed by its stage."""

import os
from collections.abc import Iterable
from pathlib import Path

from dvc.output import Output
from dvc.stage import Stage
from dvc_data.hashfile.tree import Tree

from tasks.artifacts.ownership import may_be_users, refusal


def check_outputs(stages: Iterable[Stage]) -> None:
    """Refuse to go on where a stage would remove what may be the user's.

    Args:
        stages: Those that may run. The project is the current folder.

    Raises:
        RefusedError: Names the first such output.
    """
    for stage in stages:
        if stage.cmd is None or stage.frozen:  # these remove nothing
            continue
        for out in stage.outs:
            path = Path(os.path.relpath(out.fs_path))
            record = None
            if out.hash_info:
                record = {"size": out.meta.size, "nfiles": out.meta.nfiles}
            removed = out.use_cache and not out.persist
            if not (removed and may_be_users(stage.addressing, path, record)):
                continue
            if not _is_kept(out):
                raise refusal(stage.addressing, path)


def _is_kept(out: Output) -> bool:
    """Whether an output's content is what dvc.lock has, or in the cache."""
    _, _, now = out._build(
        out.cache,
        out.fs_path,
        out.fs,
        out.hash_name,
        ignore=out.dvcignore,
        dry_run=True,
        no_progress_bar=True,
    )
    if now.hash_info == out.hash_info:
        return True
    infos = [info for _, _, info in now] if isinstance(now, Tree) else [now.hash_info]
    return all(info and out.cache.exists(info.value) for info in infos)
