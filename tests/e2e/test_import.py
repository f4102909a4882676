"""From a CSV to a report without a world, by the commands that docs/data.md has."""

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.project import ROOT, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

IMPORT = ("python", "-m", "tasks.generate.engine.importing")
BOUNDS = "--options=action_low=-2 action_high=2"
SMALL = (
    "study.updates=40 study.seeds=[0,1] study.batch=32 estimate.fqe.updates=40 "
    "study.compressors=[float32,int8_static] study.chains.first=[] "
    "study.chains.then=[] study.variants=[float32,int8_static] "
    "estimate.fqe.resamples=100 profile.latency.repeats=10 profile.latency.rounds=1 "
    "compress.int8_static.rows=64"
)
STAGES = {
    "code",
    "data/sources/plant.dvc",
    "import@plant",
    "report",
    *(
        f"{s}@plant-{learner}"
        for s in ("train", "profile")
        for learner in ("bc", "iql")
    ),
    *(f"estimate@plant-{learner}-fqe" for learner in ("bc", "iql")),
    *(
        f"{s}@plant-{learner}-{variant}"
        for s in ("compress", "export")
        for learner in ("bc", "iql")
        for variant in ("float32", "int8_static")
    ),
}


def logs(path: Path, episodes: int) -> Path:
    """Episodes of a pendulum as a table, which says nothing of their ends."""
    arrays = ROOT / "data/sources/pendulum_logs/logs.npz"
    from tasks.generate.imported.zipped import arrays as read

    held = read(arrays, {"observations", "actions", "rewards"})
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["run_id", "t", "obs_0", "obs_1", "obs_2", "action", "reward"])
        for row in range(60 * episodes):
            numbers = [*held["observations"][row], *held["actions"][row]]
            numbers.append(held["rewards"][row])
            out.writerow(
                [row // 60, row % 60, *(f"{np.float32(n)!s}" for n in numbers)]
            )
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An empty clone, with a table beside it."""
    folder = tmp_path_factory.mktemp("import")
    made = Project(folder / "clone")
    logs(folder / "logs.csv", 8)
    yield made
    shutil.rmtree(made.folder)


def bring(project: Project, *words: str, code: int = 0) -> str:
    source = project.folder.parent / "logs.csv"
    given = (f"--source={source}", "--name=plant", *words)
    return project.run(*IMPORT, *given, code=code)


def test_from_a_csv_to_a_report(project: Project):
    table = (project.folder.parent / "logs.csv").read_bytes()
    asked = bring(project, "--dry", code=1)
    assert 'OPTIONS="action_low=-2 action_high=2"' in asked
    asked = bring(project, "--dry", BOUNDS, code=1)
    assert 'OPTIONS="end=truncated"' in asked
    said = bring(project, f"{BOUNDS} end=truncated")
    assert "8, 472 steps" in said  # without next observations the last steps go
    assert project.run("git", "status", "--porcelain").split() == [
        *("??", "data/sources/plant.dvc"),
        *("??", "params/dataset/plant.yaml"),
        *("??", "params/study/plant.yaml"),
    ]
    said = project.run(
        "python", "-m", "flows.study", "--local", f"--set={SMALL}", "--", "plant"
    )
    ended = re.findall(r"^(\S+): (?:cached|completed),", said, re.MULTILINE)
    assert set(ended) == STAGES
    named = re.search(r"^experiment (\S+): new;", said, re.MULTILINE)
    assert named
    project.dvc("exp", "apply", named[1])
    project.run("python", "-m", "tasks.report")
    page = project.data("report/index.html").read_text("utf-8")
    assert "no world: estimates alone" in page
    assert not project.data("evaluations/plant").exists()
    assert (project.folder.parent / "logs.csv").read_bytes() == table


def test_both_doors_then_have_nothing_to_do(project: Project):
    project.repro("code")
    assert "up to date" in project.dvc("status")
    said = project.run("python", "-m", "flows", "--local")
    assert " completed" not in said
    project.commit()


def test_a_folder_copied_in_place_of_the_dataset_is_lost_in_neither_door(
    project: Project,
):
    """`make run` asks before DVC does anything; the changed source makes it stale."""
    place = project.data("datasets/plant-v0")
    kept = place.rename(project.folder.parent / "kept")
    (place / "data").mkdir(parents=True)
    (place / "data/main_data.hdf5").write_text("mine")
    logs(project.folder.parent / "logs.csv", 7)
    bring(project, f"{BOUNDS} end=truncated")
    words = "refused: data/datasets/plant-v0: output of import@plant: "
    for said in (
        project.run("python", "-m", "tasks.artifacts.mend", "--keep", code=1),
        project.run("python", "-m", "flows", "--local", code=1),
        project.run("python", "-m", "tasks.generate", "--dataset", "plant", code=1),
    ):
        assert words in said
        assert "Traceback" not in said
    assert (place / "data/main_data.hdf5").read_text() == "mine"
    shutil.rmtree(place)
    kept.rename(place)


def test_a_source_brought_again_makes_its_branch_stale(project: Project):
    assert "7, 413 steps" in bring(project, f"{BOUNDS} end=truncated", "--dry")
    assert "import@plant" in project.repro("import@plant")
    assert '"steps": 413' in (project.data("datasets/plant-v0/card.json")).read_text()


def test_a_link_is_followed_and_watched(project: Project):
    """A stage stands on what it leads to, which is in no cache of DVC's."""
    source = logs(project.folder.parent / "large.csv", 3)
    words = (f"--source={source}", "--name=large", f"{BOUNDS} end=truncated", "--link")
    project.run(*IMPORT, *words)
    assert project.data("sources/large").is_symlink()
    study = f"study=large {SMALL}".split()
    project.run("python", "-m", "tasks.artifacts.compose", *study)
    assert "import@large" in project.repro("import@large")
    assert project.repro("import@large") == set()
    logs(source, 2)
    assert "import@large" in project.repro("import@large")
    assert '"steps": 118' in project.data("datasets/large-v0/card.json").read_text()
