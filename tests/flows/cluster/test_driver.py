"""Runs on a real scheduler and workers, each in a clone, against ``dvc repro``."""

import json
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cluster.driver import Cluster
from flows.cluster.ledger import Ledger
from flows.placement import open_run
from flows.server.endpoint import bound, call
from flows.server.start import started
from tasks.artifacts.errors import RefusedError
from tests.flows.dasks import (
    Dasks,
    Drive,
    Field,
    alive,
    bucket,
    dasks,
    states,
    until,
)
from tests.flows.test_pipeline import METRICS
from tests.flows.toy import Toy

pytestmark = pytest.mark.slow

HERE = {"join"}  # writes into git
THERE = {"make", "up", "turn", "apart", "count", "copy"}


def test_two_clones_write_the_lock_of_one(
    field: Field, cluster: Dasks, drive: Drive, reference: str
):
    for clone in field.clones:
        cluster.worker(clone.folder)
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
        ledger = Ledger()
    assert field.driver.read("dvc.lock") == reference
    with pytest.raises(RefusedError, match=r"^s3://data/dvc/files/md5: DVC remote"):
        ledger.fetch("make")  # it has gone meanwhile


def test_what_dvc_tracks_reaches_the_workers(
    field: Field, cluster: Dasks, drive: Drive
):
    """A file of ``dvc add`` is pushed; one that only git keeps has to be committed."""
    toy, clone = field.driver, field.clones[0]
    toy.run("git", "rm", "-q", "--cached", "in.txt")
    toy.dvc("add", "-q", "in.txt")
    weigh = {"cmd": "cp size.json weight", "deps": ["size.json"], "outs": ["weight"]}
    field.stages["weigh"] = weigh
    field.commit()
    clone.run("git", "pull", "-q")
    cluster.worker(clone.folder)
    assert not (clone.folder / "in.txt").exists()
    said = drive(code=1)
    assert (clone.folder / "in.txt").exists()
    assert states(said)["in.txt.dvc"] == "cached"
    assert states(said)["weigh"] == "failed"
    assert "commit and push size.json there, then run here: git fetch" in said
    toy.commit()
    clone.run("git", "pull", "-q")
    assert states(drive())["weigh"] == "completed"


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


@pytest.mark.prefect
def test_prefect_shows_what_the_workers_say(
    field: Field,
    cluster: Dasks,
    drive: Drive,
    tmp_path: Path,
    warm: Callable[[Path], None],
):
    warm(tmp_path / "server")
    toy = field.driver
    toy.write("metrics.json", json.dumps(METRICS))
    scores = {
        "cmd": "mkdir -p out/x && cp metrics.json out/x && echo scored",
        "deps": ["metrics.json"],
        "outs": ["out/x"],
    }
    field.stages["evaluate"] = {"foreach": ["x"], "do": scores}
    field.commit()
    for clone in field.clones:
        clone.run("git", "pull", "-q")
        cluster.worker(clone.folder)
    with started(tmp_path / "server", bound(0), services=False) as url:
        toy.env |= {"PREFECT_API_URL": url}
        given = ("--dask", cluster.address, "evaluate@x", "up")
        said = toy.run("python", "-m", "flows", *given)
        assert "3 stages: 3 completed" in said
        assert "Task run 'up' - working" in said
        artifacts = call(url, "artifacts/filter", {})
    (table,) = (one for one in artifacts if one["type"] == "table")
    assert "12.3" in table["data"]


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
        assert told.wait(240)
        for clone in field.clones:
            cluster.worker(clone.folder)
        until(lambda: run.workers() == 2, "the second worker")
        waits.join()
        assert run.outcomes["make"].state == "completed"
    finally:
        run.stop()
        cluster.end_workers()


@pytest.mark.parametrize(
    ("dies", "why"),
    [
        ("scheduler", "has gone"),
        ("worker", "1 workers died under it, the last at tcp://127.0.0.1:"),
    ],
)
def test_a_cluster_that_dies_is_told(
    field: Field,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dies: str,
    why: str,
):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    field.block()
    with dasks(tmp_path / "logs") as cluster:
        cluster.worker(field.clones[0].folder)
        run = Cluster.open(cluster.address, ["make"])
        waits = threading.Thread(target=run.stage, args=("make",), daemon=True)
        waits.start()
        field.blocked()
        if dies == "worker":
            cluster.end_workers()
        else:
            cluster.end_scheduler()
        waits.join()
    run.stop()
    assert run.outcomes["make"].state == "failed"
    assert why in run.outcomes["make"].message


def test_no_remote_no_scheduler_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    toy = Toy(tmp_path / "toy")
    monkeypatch.chdir(toy.folder)
    with pytest.raises(RefusedError, match="dvc remote add -d NAME URL"):
        open_run(dask="tcp://127.0.0.1:1")
    toy.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    monkeypatch.setattr("flows.cluster.driver.ANSWER", 0.1)
    with pytest.raises(RefusedError, match=r"--dask: tcp://127.0.0.1:1: found"):
        open_run(dask="tcp://127.0.0.1:1")
    with pytest.raises(RefusedError, match="dask scheduler"):
        open_run(dask="tcp://nonsense")
    with pytest.raises(RefusedError, match="expected tcp://HOST:PORT"):
        open_run(dask="http://127.0.0.1:1")
    with pytest.raises(RefusedError, match="no certificate in Dask's configuration"):
        open_run(dask="tls://127.0.0.1:1")
    assert not (toy.folder / "made").exists()
    for name in ("flows.cluster.driver", "flows.cluster.worker"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RefusedError, match=r"pip install -e '\.\[dask\]'"):
        open_run(dask="tcp://127.0.0.1:1")
