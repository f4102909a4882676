"""Files that a study names and git does not track, as `make import` leaves them."""

from pathlib import Path

import pytest

from flows.experiments.plan import plan
from flows.experiments.worktree import perform
from tasks.artifacts.errors import RefusedError
from tests.flows.experiments.clone import METRICS, shown

pytestmark = pytest.mark.slow


def test_new_files_that_a_study_names_become_part_of_its_experiment(root: Path):
    """As `make import` leaves them; what the study does not name stays out."""
    content = (root / "params/study/smoke.yaml").read_text()
    files = {
        "params/study/mine.yaml": content.replace("pendulum_mixture", "logs_of_mine"),
        "params/dataset/logs_of_mine.yaml": (
            root / "params/dataset/pendulum_mixture.yaml"
        ).read_text(),
        "params/dataset/another.yaml": "method: not_named_by_the_study\n",
        "data/sources/logs_of_mine.dvc": "outs: []\n",
        "data/sources/another.dvc": "outs: []\n",
    }
    for file, text in files.items():
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(text)
    named = [file for file in files if "another" not in file]
    link = root / "data/sources/smoke"  # a name in the study's parameters
    link.symlink_to("/dev/null")
    broken = root / "params/dataset/another.yaml"
    broken.write_text("")
    try:
        with pytest.raises(
            RefusedError, match=r"^params/dataset/another.yaml: content"
        ):
            plan(root, "mine")
        broken.write_text(files["params/dataset/another.yaml"])
        study = plan(root, "mine")
        assert sorted(map(str, study.new)) == sorted([*named, "data/sources/smoke"])

        def graph() -> None:
            assert Path("data/sources/smoke").readlink() == Path("/dev/null")
            assert not Path("data/sources/another.dvc").exists()
            METRICS.write_text("{}")

        perform(study, graph)
        for file in named:
            assert shown(study, file) == files[file].rstrip("\n")
        # the same import with another source is another study
        (root / "data/sources/logs_of_mine.dvc").write_text("outs: [] # changed\n")
        assert plan(root, "mine").key != study.key
    finally:
        link.unlink()
        for file in files:
            (root / file).unlink()
