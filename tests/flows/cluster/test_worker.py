"""What workers refuse, share and give up."""

import re
import subprocess
import threading

import yaml

from flows.cluster.driver import Cluster
from tests.flows.dasks import LONG, Dasks, Drive, Field, alive, states, until


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


def test_a_worker_in_the_wrong_folder_is_refused(
    field: Field, cluster: Dasks, drive: Drive
):
    cluster.worker(field.folder)
    said = drive("make", code=1)
    assert f"{field.folder}: dvc.yaml: file: found nothing, expected the root" in said
    cluster.end_workers()
    cluster.worker(field.driver.folder)
    said = drive("make", code=1)
    assert "expected a clone of its own; start it in one: git clone" in said


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
