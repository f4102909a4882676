"""What set-up compiles is all that training calls, and a worktree is given it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.artifacts.compiled import share_compiled
from tasks.train.engine.compiling import compile_all

ROOT = Path(__file__).parents[2]
TRAIN = """
from numba.core.registry import CPUDispatcher
from tasks.nets import kernels
from tasks.train.cores import loops
from tests.train.fifty import fifty

for name in ("td3_bc", "iql", "iql-gaussian", "awac", "rebrac"):
    fifty(name)
for module in (kernels, loops):
    for name, item in vars(module).items():
        if isinstance(item, CPUDispatcher) and item.signatures:
            print(name, sum(item.stats.cache_misses.values()))
"""


def test_training_in_a_worktree_compiles_nothing_after_set_up(tmp_path: Path):
    compile_all()
    for top in ("tasks", "tests", "params"):
        shutil.copytree(
            ROOT / top, tmp_path / top, ignore=shutil.ignore_patterns("__pycache__")
        )
    share_compiled(ROOT, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    misses = dict(line.split() for line in done.stdout.splitlines())
    assert {"forward", "backward", "likelihood", "pulls", "squares"} <= set(misses)
    assert set(misses.values()) == {"0"}, misses


def test_other_sources_get_no_machine_code(tmp_path: Path):
    compile_all()
    shutil.copytree(
        ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (tmp_path / "tasks/nets/kernels.py").open("a") as file:
        file.write("# changed\n")
    share_compiled(ROOT, tmp_path)
    assert not list((tmp_path / "tasks/nets").glob("__pycache__/*.nb?"))
    assert list((tmp_path / "tasks/train/cores").glob("__pycache__/*.nbi"))
