"""Whether dvc.lock is whole, which every command asks before it runs the graph.

DVC writes the file in place after each stage. Killed just then it leaves the first part
of it, which may still be YAML that names fewer stages: DVC would take the others for
new, remove what they made and make it again. So the file is compared with the one of
the last commit.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.dvc_stages import outputs_by_stage
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.strict_yaml import parse_yaml

LOCK = Path("dvc.lock")
MOMENT = 1.0  # seconds in which another process may still be writing the file
NAMED = 3  # missing stages that the refusal names
# what git keeps while it waits for the user to settle conflicts
UNSETTLED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")
UNSETTLED_FOLDERS = ("rebase-merge", "rebase-apply")
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def check_lock(project: Path = Path()) -> None:
    """Refuse a dvc.lock that is cut short, is no YAML or lost stages.

    A stage counts as lost if the last commit's dvc.lock has it, the file does not, and
    dvc.yaml with params.yaml still names it. During a merge or rebase the file may be
    either side's, so only its form counts.

    Args:
        project: The folder of dvc.lock.

    Raises:
        RefusedError: If it is not whole.
    """
    if found := present_fault(project):
        raise RefusedError(
            project / LOCK,
            "stages",
            found,
            "all that the last commit's has and dvc.yaml names, each to its end",
            f"a killed run, a merge or an edit left it so; run: {_mend(project)}",
        )


def present_fault(project: Path = Path()) -> str:
    """What is wrong with dvc.lock, as `fault` says; waits for who just writes it."""
    path = project / LOCK
    found = fault(_text(path), project)
    if found and _is_fresh(path):
        time.sleep(MOMENT)
        found = fault(_text(path), project)
    return found


def fault(text: str | None, project: Path = Path()) -> str:
    """What is wrong with the text of a dvc.lock; empty if it is whole.

    Args:
        text: What the file holds, or None where there is no file.
        project: The folder the file belongs into.
    """
    committed = git(project, "show", f"HEAD:./{LOCK}")
    if text is None:
        return "no file" if committed is not None else ""
    stages = _stages(text)
    if stages is None:
        markers = "\n<<<<<<< " in f"\n{text}"
        return "conflict markers" if markers else "no YAML with stages"
    outputs, before = outputs_by_stage(project), _stages(committed or "") or {}
    if stages:
        name = list(stages)[-1]
        ends = _is_finished(stages[name], before.get(name), outputs.get(name))
        if not (ends and text.endswith("\n")):
            return f"an unfinished entry of {name}"
    if is_unsettled(project):
        return ""
    missing = [name for name in before if name in outputs and name not in stages]
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return f"no entry of {', '.join(missing[:NAMED])}{more}" if missing else ""


def recorded(project: Path = Path()) -> dict[str, dict[str, Any]]:
    """Outputs that dvc.lock has of each stage, by name and path.

    Args:
        project: The folder of dvc.lock.

    Returns:
        For each output what DVC recorded: ``md5``, ``size``, ``nfiles`` of a folder.
    """
    stages = _stages(_text(project / LOCK) or "") or {}
    return {
        name: {out["path"]: out for out in entry.get("outs") or []}
        for name, entry in stages.items()
    }


def has_entry(stage: str) -> bool:
    """Whether the current folder's dvc.lock has an entry of a stage, whole or not.

    Args:
        stage: As DVC names it, with its dvc.yaml where that is not the top one.
    """
    return f"\n  {stage.rpartition(':')[2]}:\n" in (_text(LOCK) or "")


def is_unsettled(project: Path = Path()) -> bool:
    """Whether a merge, rebase or the like waits for the user to settle it."""
    names = [*UNSETTLED, *UNSETTLED_FOLDERS]
    paths = git(project, "rev-parse", *(a for n in names for a in ("--git-path", n)))
    return any((project / path).exists() for path in (paths or "").splitlines())


def git(project: Path, *arguments: str) -> str | None:
    """What git says in the project's folder; None where it fails or there is none.

    Args:
        project: The folder.
        *arguments: Of git; nothing is changed.
    """
    env = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, cwd=project, env=env, check=False, capture_output=True
        )
    except OSError:
        return None
    return None if done.returncode else done.stdout.decode(errors="replace")


def _text(path: Path) -> str | None:
    """What a file holds; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _stages(text: str) -> dict[str, Any] | None:
    """Entries of a dvc.lock by stage; None if the text is none."""
    try:
        stages = parse_yaml(text)["stages"]
    except (TypeError, KeyError, ValueError):
        return None
    whole = isinstance(stages, dict) and all(
        isinstance(entry, dict) for entry in list(stages.values())[:-1]
    )
    return stages if whole else None


def _is_finished(entry: Any, before: Any, outputs: Mapping[str, bool] | None) -> bool:
    """Whether an entry has all that DVC writes, which ends with the outputs.

    Args:
        entry: What stands under the stage's name.
        before: The entry in the last commit, or None.
        outputs: Of the stage in dvc.yaml; empty for a stage without any, None where
            dvc.yaml does not have the stage.
    """
    if not isinstance(entry, dict) or "cmd" not in entry:
        return False
    if "outs" not in entry and outputs is not None and not outputs:
        return True
    outs = entry.get("outs") or []
    if not outs or not all(isinstance(out, dict) and _has_hash(out) for out in outs):
        return False
    had = {out["path"] for out in (before or {}).get("outs") or []}
    return had & set(outputs or ()) <= {out["path"] for out in outs}


def _has_hash(out: Mapping[str, Any]) -> bool:
    """Whether an output of an entry is written to its end; folders count files too."""
    of_folder = str(out.get("md5", "")).endswith(".dir")
    return {"path", "size"} <= out.keys() and (not of_folder or "nfiles" in out)


def _is_fresh(path: Path) -> bool:
    """Whether the file was written just now, so that somebody may be writing it."""
    try:
        return time.time() - path.stat().st_mtime < MOMENT
    except FileNotFoundError:
        return False


def _mend(project: Path) -> str:
    """The command that brings a whole dvc.lock back."""
    committed = git(project, "show", f"HEAD:./{LOCK}")
    if committed is None:
        return f"rm {LOCK}"
    if is_unsettled(project):
        return f"git checkout --ours {LOCK}"
    if _stages(committed) is None:
        return f"git checkout HEAD~1 -- {LOCK}"
    staged = git(project, "diff", "--cached", "--quiet", "--", str(LOCK)) is None
    return f"git checkout {'HEAD -- ' if staged else ''}{LOCK}"
