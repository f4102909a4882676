"""What the graph refuses, in words a user can act on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.artifacts.dvc_lock import check_lock
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import nearest
from tasks.artifacts.params import load
from tasks.artifacts.strict_yaml import read_yaml
from tasks.code.check import check


def check_project(project: Path = Path()) -> None:
    """Refuse a folder without dvc.yaml, or with a dvc.lock that is not whole.

    Every command that runs the graph asks this before it touches anything.

    Args:
        project: The folder.

    Raises:
        RefusedError: If it is not fit to be run, or dvc.yaml is cut or no YAML.
    """
    if not (project / "dvc.yaml").is_file():
        raise RefusedError(
            project.resolve(),
            "dvc.yaml",
            "no file",
            "the top folder of the project",
            "start it from there, or run: git checkout dvc.yaml",
        )
    check_lock(project)
    path, mend = project / "dvc.yaml", "mend it, or run: git checkout dvc.yaml"
    try:  # DVC would unfold aliases that grow
        read_yaml(path)
    except ValueError as error:
        raise RefusedError(path, "content", error, "stages in YAML", mend) from None
    if path.read_bytes()[-1:] not in (b"\n", b""):
        cut = "a last line without its end, as of a file that was cut"
        raise RefusedError(path, "content", cut, "whole lines", mend)


def refuse_edited(name: str, files: Sequence[str], while_running: str) -> None:
    """Refuse to run or to record a stage whose dependencies were edited meanwhile.

    Args:
        name: The stage.
        files: Paths of the edited ones; none are fine.
        while_running: ``the stage`` or ``the graph``, during which they were edited.

    Raises:
        RefusedError: If there is one.
    """
    if files:
        raise RefusedError(
            name,
            "dependency",
            f"{', '.join(files)}, changed while {while_running} ran",
            "what the outputs are made from",
            "run it again",
        )


def unknown_target(
    targets: Sequence[str], graph: Any, error: Exception
) -> RefusedError:
    """The refusal of a target that dvc.yaml does not have; names the nearest.

    Args:
        targets: What the user named.
        graph: All stages.
        error: What DVC said.
    """
    names = {stage.addressing for stage in graph}
    names |= {name.partition("@")[0] for name in names}
    wrong = next((t for t in targets if t not in names), targets[0])
    near = nearest(wrong, names)
    expected = f"the nearest is {near}" if near else str(error)
    return RefusedError("dvc.yaml", "stages", wrong, expected, "see: dvc stage list")


def refuse_params(error: Exception) -> None:
    """Refuse params.yaml where DVC could not make stages of what stands there.

    Args:
        error: What DVC said, who blames dvc.yaml.

    Raises:
        RefusedError: If the parameters are wrong.
    """
    said = explain(error)
    if "failed to parse" in said or "Could not find" in said:
        check(load())


def explain(error: Exception) -> str:
    """The words of an error of DVC's, and of the error that caused it, on one line."""
    causes = [error, *([error.__cause__] if error.__cause__ else [])]
    return ": ".join(" ".join(str(cause).split()).rstrip(".") for cause in causes)
