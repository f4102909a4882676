"""The smallest study on two clones with a worker each, against one machine."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.project import Project
from tests.flows.dasks import bucket, credentials, dasks, environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def lock(smoke: Path) -> Any:
    """What `dvc repro` on one machine records."""
    return yaml.safe_load((smoke / "dvc.lock").read_text(encoding="utf-8"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Where the run starts; the other clones lie beside it, a bucket between them.

    A folder between them is what tests/flows/test_cluster.py has.
    """
    made = Project(tmp_path / "driver")
    with bucket() as address:
        made.dvc("remote", "add", "-d", "store", "s3://data/x")
        made.dvc("remote", "modify", "store", "endpointurl", address)
        made.commit()
        for name in "ab":
            made.run("git", "clone", "-q", ".", str(tmp_path / name))
        for folder in (tmp_path / "a", tmp_path / "b", made.folder):
            subprocess.run(
                ["python", "-m", "tasks.artifacts.environment"],
                cwd=folder,
                env=environment() | {"PYTHONPATH": str(folder)},
                check=True,
            )
            credentials(folder)
        yield made


def test_a_study_has_the_hashes_of_one_machine(
    project: Project, tmp_path: Path, lock: Any
):
    with dasks(tmp_path / "logs") as cluster:
        for name in "ab":
            cluster.worker(tmp_path / name)
        said = project.run(
            "python", "-m", "flows", "--local", "--dask", cluster.address
        )
        recorded = project.lock()
        assert yaml.safe_load(recorded) == lock
        # other code here than in the workers' clones: told by its files
        source = project.folder / "tasks/artifacts/dataset.py"
        source.write_text(source.read_text(encoding="utf-8") + "# edited\n")
        refused = project.run(
            *("python", "-m", "flows", "--local", "--dask", cluster.address), code=1
        )
        project.run("git", "checkout", "-q", "tasks")
        (project.folder / "dvc.lock").write_bytes(recorded)
        project.run("python", "-m", "tasks.code")
    assert re.search(r"^generate\S+: failed, refused on", refused, re.MULTILINE)
    assert "tasks/artifacts/dataset.py: generate" in refused
    assert "commit and push tasks/artifacts/dataset.py there" in refused
    places = set(re.findall(r": completed, .* on \S+:(\S+)$", said, re.MULTILINE))
    assert places == {str(tmp_path / name) for name in "ab"}
    assert "remote alone" not in said  # the report has read them all
    assert "up to date" in project.dvc("status")
    assert project.repro() == set()
    page = project.data("report/index.html").read_text(encoding="utf-8")
    assert "distill-int8_static" in page
