"""A Dask cluster for the tests that need one, and a database for Prefect's servers."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.__main__ import parser
from flows.local import run_locally
from flows.server.settings import home
from tasks.artifacts.errors import RefusedError
from tests.flows.dasks import Dasks, Drive, Field, dasks
from tests.flows.ui import environment

CREATE = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Give a project Prefect's database of the present version, still empty.

    A server makes its own in 4 s; this one is made once for all processes of pytest.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    ready = place / "prefect.db"
    with (place / "prefect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            made = home(place / "prefect")
            made.mkdir(parents=True)
            env = environment(place / "prefect")
            subprocess.run([sys.executable, "-c", CREATE], env=env, check=True)
            whole = place / "whole.db"
            with sqlite3.connect(made / "prefect.db") as old:
                with sqlite3.connect(whole) as new:
                    old.backup(new)
                new.close()
            old.close()
            whole.rename(ready)

    def give(root: Path) -> None:
        home(root).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ready, home(root) / "prefect.db")

    return give


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dasks]:
    with dasks(tmp_path_factory.mktemp("dask") / "logs") as made:
        yield made


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dvc.lock of ``dvc repro``."""
    toy = Field(tmp_path_factory.mktemp("reference")).driver
    toy.dvc("repro")
    return toy.read("dvc.lock")


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Field:
    made = Field(tmp_path)
    made.remote(str(tmp_path / "store"))
    monkeypatch.chdir(made.driver.folder)
    return made


@pytest.fixture
def drive(cluster: Dasks, capsys: pytest.CaptureFixture[str]) -> Iterator[Drive]:
    """The command line, in this process; afterwards the workers end."""

    def run(*arguments: str, code: int = 0) -> str:
        options = vars(parser().parse_args(["--dask", cluster.address, *arguments]))
        del options["local"]
        try:
            said = run_locally(**options)
            assert code == 0, said
        except RefusedError as error:
            said = f"refused: {error}"
            assert code == 1, said
        return capsys.readouterr().out + said

    yield run
    cluster.end_workers()
