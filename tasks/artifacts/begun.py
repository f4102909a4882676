"""Which stages were started in this folder at some time.

DVC removes a stage's outputs before it starts the command. So what lies in their
place afterwards was left by the stage, even if that failed or was killed before DVC
recorded it.
"""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

BEGUN = Path(".offcut/begun")  # an empty file for each stage


def mark_begun(stage: str) -> None:
    """Note that a stage's command starts.

    Args:
        stage: Its name; the project is the current folder.
    """
    with suppress(OSError):  # a full disk is told by who writes outputs
        BEGUN.mkdir(parents=True, exist_ok=True)
        _mark(stage).touch()


def was_begun(stage: str) -> bool:
    """Whether a stage's command was started here before."""
    return _mark(stage).exists()


def _mark(stage: str) -> Path:
    """The file that says so."""
    return BEGUN / quote(stage, safe="@")
