"""Plain `dvc repro` on a dvc.lock that a kill cut so that it is still YAML."""

import shutil
from pathlib import Path

import pytest

from tests.flows.toy import Toy

pytestmark = pytest.mark.slow

STAGE = """
import sys
from pathlib import Path
from tasks.artifacts.files import write_text
from tasks.artifacts.stage import run_stage

*reads, out = map(Path, sys.argv[1:])
text = "".join(path.read_text() for path in reads)
sys.exit(run_stage(lambda: write_text(out, f"{text}{out}\\n")))
"""
OUTS = ["out/a", "out/b", "out/c"]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A chain of three stages that end as those of the project, and have run."""
    made = Toy(tmp_path / "toy")
    made.write("stage.py", STAGE)
    made.stages(
        {
            out[-1]: {
                "cmd": f"python stage.py {dep} {out}",
                "deps": [dep],
                "outs": [out],
            }
            for dep, out in zip(["in.txt", *OUTS], OUTS, strict=False)
        }
    )
    made.dvc("repro")
    made.commit()
    return made


def cut(toy: Toy) -> str:
    """Cut dvc.lock after its first stage; what it held."""
    lock = toy.read("dvc.lock")
    toy.write("dvc.lock", lock[: lock.index("  b:\n")])
    return lock


def test_what_was_made_comes_from_the_run_cache(toy: Toy):
    before = [toy.read(out) for out in OUTS]
    lock = cut(toy)
    said = toy.dvc("repro")
    assert "Running stage" not in said
    assert toy.read("dvc.lock") == lock
    assert [toy.read(out) for out in OUTS] == before


def test_without_it_the_first_stage_that_would_run_refuses(toy: Toy):
    """Its own output is gone by then, and comes back from the cache."""
    before = [toy.read(out) for out in OUTS]
    shutil.rmtree(toy.folder / ".dvc/cache/runs")
    lock = cut(toy)
    said = toy.dvc("repro", code=255)
    assert "refused: dvc.lock: stages: found no entry of b, c" in said
    assert "run: git checkout dvc.lock" in said
    assert "Traceback" not in said
    assert not (toy.folder / OUTS[1]).exists()
    assert toy.read(OUTS[2]) == before[2]
    toy.run("git", "checkout", "-q", "dvc.lock")
    assert "Running stage" not in toy.dvc("repro", "--no-run-cache")
    assert [toy.read(out) for out in OUTS] == before
    assert toy.read("dvc.lock") == lock
