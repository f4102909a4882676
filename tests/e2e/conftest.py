"""The smallest study, run once for all tests of the graph."""

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.project import Project


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it ran: a project in ``clone``, beside it what test modules share.

    ``dvc.lock`` as the run left it, in ``ran.json`` the stages that ran, and in
    ``copy`` the project as it was then, for a second module that edits it.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    folder = place / "smoke"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first process runs it
        if not (folder / "ran.json").exists():
            made = Project(folder / "clone")
            ran = made.repro()
            made.commit()
            sockets = shutil.ignore_patterns("*.sock")  # of the warm server
            copy = folder / "copy"
            shutil.copytree(made.folder, copy, symlinks=True, ignore=sockets)
            (folder / "dvc.lock").write_bytes(made.lock())
            (folder / "ran.json").write_text(json.dumps(sorted(ran)))
    return folder
