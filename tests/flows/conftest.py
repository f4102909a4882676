"""A Dask cluster for the tests that need one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.__main__ import local, parser
from tasks.artifacts.errors import RefusedError
from tests.flows.dasks import Dasks, Drive, Field, dasks


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
        given = parser().parse_args(["--local", "--dask", cluster.address, *arguments])
        try:
            said = local(given)
            assert code == 0, said
        except RefusedError as error:
            said = f"refused: {error}"
            assert code == 1, said
        return capsys.readouterr().out + said

    yield run
    cluster.end_workers()
