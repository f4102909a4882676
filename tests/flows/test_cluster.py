"""Runs on a real scheduler and workers, each in a clone, against ``dvc repro``."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from flows.__main__ import local, parser
from flows.cluster import Cluster
from flows.run import opened
from tasks.artifacts.errors import RefusedError
from tests.flows.dasks import LONG, Dasks, Field, bucket, dasks, until
from tests.flows.toy import Toy

pytestmark = pytest.mark.xdist_group("dask")

HERE = {"join"}  # writes into git
THERE = {"make", "up", "turn", "apart", "count", "copy"}
Drive = Callable[..., str]


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


def states(said: str) -> dict[str, str]:
    found = re.findall(r"^(\S+): (cached|completed|failed),", said, re.MULTILINE)
    return dict(found)


def check(field: Field, drive: Drive, reference: str) -> None:
    """A whole run, then one that finds all unchanged."""
    said = drive()
    assert states(said) == dict.fromkeys(HERE | THERE, "completed")
    assert set(re.findall(r"^(\S+): on \S+/\w$", said, re.MULTILINE)) == THERE
    assert "up: working" in said
    assert "working" in field.driver.read(".offcut/logs/up.log")
    toy = field.driver
    assert toy.read("dvc.lock") == reference
    assert "dvc pull" in said
    assert states(drive()) == dict.fromkeys(HERE | THERE, "cached")
    toy.dvc("pull")
    assert "up to date" in toy.dvc("status")
    assert "Running" not in toy.dvc("repro")
    assert toy.read("dvc.lock") == reference
    for clone in field.clones:  # nothing stands in the way of the next revision
        assert clone.run("git", "status", "--porcelain") == ""


def test_two_clones_write_the_lock_of_one(
    field: Field, cluster: Dasks, drive: Drive, reference: str
):
    for clone in field.clones:
        cluster.worker(clone.folder)
    check(field, drive, reference)
    # what the remote loses, the clones that have it push again
    shutil.rmtree(field.folder / "store")
    shutil.rmtree(field.driver.folder / ".dvc/cache")
    said = drive()
    assert set(states(said)) == HERE | THERE
    assert states(said)["make"] == "cached" or "make: completed" in said
    assert field.driver.read("dvc.lock") == reference
    field.driver.dvc("pull")


def test_the_remote_may_be_a_bucket(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cluster: Dasks,
    drive: Drive,
    reference: str,
):
    field = Field(tmp_path)
    with bucket() as address:
        field.remote("s3://data/dvc", endpointurl=address)
        monkeypatch.chdir(field.driver.folder)
        for clone in field.clones:
            cluster.worker(clone.folder)
        assert states(drive()) == dict.fromkeys(HERE | THERE, "completed")
    assert field.driver.read("dvc.lock") == reference


@pytest.mark.parametrize("nanny", [False, True])
def test_a_killed_worker_changes_nothing(
    field: Field, cluster: Dasks, drive: Drive, reference: str, nanny: bool
):
    field.block()
    workers = {c.folder: cluster.worker(c.folder, nanny=nanny) for c in field.clones}
    said: list[str] = []
    run = threading.Thread(target=lambda: said.append(drive()))
    run.start()
    place, command = field.blocked()
    os.kill(cluster.process(workers[place]), signal.SIGKILL)
    until(lambda: not alive(command), "the end of the killed worker's command")
    field.release()
    run.join()
    assert len(re.findall(r"^make: on ", said[0], re.MULTILINE)) == 2
    assert field.driver.read("dvc.lock") == reference


def test_a_worker_ends_what_nobody_waits_for(
    field: Field, cluster: Dasks, drive: Drive
):
    """And makes what the next run asks for."""
    field.block()
    cluster.worker(field.clones[0].folder)
    given = ("-m", "flows", "--local", "--dask", cluster.address)
    driver = subprocess.Popen(
        ["python", *given], env=field.driver.env, stdout=subprocess.DEVNULL
    )
    _, command = field.blocked()
    driver.kill()
    driver.wait()
    until(lambda: not alive(command), "the end of the command")
    field.release()
    assert states(drive("make")) == {"make": "completed"}


def alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_another_revision_is_refused(field: Field, cluster: Dasks, drive: Drive):
    clone, toy = field.clones[0], field.driver
    cluster.worker(clone.folder)
    drive("up", "turn")
    toy.write("in.txt", "three\n")
    toy.write("params.yaml", "turn: 2\n")
    toy.commit()
    rev = toy.run("git", "rev-parse", "HEAD").strip()
    said = drive("up", "apart", "--keep-going", code=1)
    assert states(said) == {"make": "failed", "apart": "failed"}
    for stage, file in (("make", "in.txt"), ("apart", "params.yaml")):
        (line,) = re.findall(rf"^{stage}: failed, (.*)$", said, re.MULTILINE)
        assert f":{clone.folder}: {file}: {stage}: found other content" in line
        assert f"git fetch && git checkout {rev}" in line
    clone.run("git", "fetch", "-q")
    clone.run("git", "checkout", "-q", rev)
    said = drive("up", "apart")
    assert states(said) == dict.fromkeys(("make", "up", "apart"), "completed")
    toy.write("params.yaml", "turn: 3\n")
    said = drive("apart", code=1)
    assert "commit and push params.yaml there, then run here: git fetch" in said
    stages = field.stages | {"new": field.stages["apart"] | {"outs": ["new.txt"]}}
    toy.stages(stages)
    said = drive("new", code=1)
    assert "dvc.yaml: stages: found new" in said
    assert "git fetch && git checkout" in said
    stages["apart"] = stages["apart"] | {"cmd": "echo 2 > apart.txt"}
    toy.stages(stages)
    assert "dvc.yaml: apart: found other content" in drive("apart", code=1)


def test_leftovers_enter_no_hash(
    field: Field, cluster: Dasks, drive: Drive, reference: str
):
    clone = field.clones[0]
    cluster.worker(clone.folder)
    drive("make", "up", "turn")
    clone.write("parts/known.txt", "one\ntwo\n")  # like made/a.txt: in the cache
    clone.write("parts/foreign.txt", "mine\n")
    said = drive(code=1)
    assert "parts/foreign.txt, which is not what the stages recorded" in said
    assert clone.read("parts/foreign.txt") == "mine\n"
    (clone.folder / "parts/foreign.txt").unlink()
    drive()
    assert not (clone.folder / "parts/known.txt").exists()
    lock = yaml.safe_load(field.driver.read("dvc.lock"))
    assert lock == yaml.safe_load(reference)


def test_workers_of_one_run_share_a_clone(
    field: Field, cluster: Dasks, drive: Drive, reference: str
):
    for _ in range(2):
        cluster.worker(field.clones[0].folder)
    field.block()
    run = threading.Thread(target=drive)
    run.start()
    field.blocked()
    log = field.clones[0].folder / ".offcut/logs/apart.log"
    until(log.exists, "another stage of the run")
    other = Cluster.open(cluster.address, ["apart"], force=True)
    told, said = threading.Event(), list[str]()

    def tell(line: str) -> None:
        said.append(line)
        if "waiting" in line:
            told.set()

    waits = threading.Thread(target=other.stage, args=("apart", tell))
    waits.start()
    assert told.wait(LONG)
    assert said[1] == "waiting: another run is in this folder"
    field.release()
    run.join()
    assert field.driver.read("dvc.lock") == reference
    waits.join()
    other.stop()
    assert other.outcomes["apart"].state == "completed"


def test_a_worker_outside_a_clone_is_refused(
    field: Field, cluster: Dasks, drive: Drive
):
    cluster.worker(field.folder)
    said = drive("make", code=1)
    assert f"{field.folder}: dvc.yaml: file: found nothing, expected the root" in said


def test_a_cluster_without_workers_is_waited_for(field: Field, cluster: Dasks):
    said: list[str] = []
    run = Cluster.open(cluster.address, ["make"], patience=0.1)
    try:
        assert run.workers() == 1  # so that one stage says that it waits
        outcome = run.stage("make", said.append)
        assert outcome.state == "failed"
        assert "found none for 0.1 s, expected at least one" in outcome.message
        assert said == ["waiting: the cluster has no worker; 0.1 s at most"]
        run.patience = 100
        told = threading.Event()
        waits = threading.Thread(
            target=run.stage, args=("make", lambda _: told.set()), daemon=True
        )
        waits.start()
        assert told.wait(100)
        for clone in field.clones:
            cluster.worker(clone.folder)
        until(lambda: run.workers() == 2, "the second worker")
        waits.join()
        assert run.outcomes["make"].state == "completed"
    finally:
        run.stop()
        cluster.end_workers()


def test_a_scheduler_that_ends_is_told(field: Field, tmp_path: Path):
    field.block()
    with dasks(tmp_path / "logs") as cluster:
        cluster.worker(field.clones[0].folder)
        run = Cluster.open(cluster.address, ["make"])
        waits = threading.Thread(target=run.stage, args=("make",), daemon=True)
        waits.start()
        field.blocked()
    try:
        waits.join()
        assert run.outcomes["make"].state == "failed"
        assert cluster.address in run.outcomes["make"].message
    finally:
        run.stop()


def test_no_remote_no_scheduler_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    toy = Toy(tmp_path / "toy")
    monkeypatch.chdir(toy.folder)
    with pytest.raises(RefusedError, match="dvc remote add -d NAME URL"):
        opened(dask="tcp://127.0.0.1:1")
    toy.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    monkeypatch.setattr("flows.cluster.ANSWER", 0.1)
    with pytest.raises(RefusedError, match=r"--dask: tcp://127.0.0.1:1: found"):
        opened(dask="tcp://127.0.0.1:1")
    with pytest.raises(RefusedError, match="dask scheduler"):
        opened(dask="nonsense:address")
    assert not (toy.folder / "made").exists()
    for name in ("flows.cluster", "flows.worker"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RefusedError, match=r"pip install -e '\.\[dask\]'"):
        opened(dask="tcp://127.0.0.1:1")
