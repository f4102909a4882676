"""What a killed process left is told from what another one is writing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder, write_text
from tests.artifacts.test_files import contents


def test_what_a_killed_writer_of_a_file_left_is_cleared_by_the_next(tmp_path: Path):
    killed = tmp_path / f".a.txt.{'0' * 12}.tmp"
    others = [
        tmp_path / f".a.txt.{'0' * 12}.bak",
        tmp_path / f".b.a.txt.{'0' * 12}.tmp",
    ]
    for path in (killed, *others):
        path.write_text("half")
    write_text(tmp_path / "a.txt", "whole")
    assert {*tmp_path.iterdir()} == {tmp_path / "a.txt", *others}


HOLDS = """
import sys
from pathlib import Path
from tasks.artifacts.files import whole_folder
with whole_folder(Path(sys.argv[1])) as folder:
    (folder / "x").write_text("first")
    print("holds", flush=True)
    input()
"""


def test_an_output_that_another_process_makes_is_refused(tmp_path: Path):
    """The first goes on undisturbed; then the second has its turn."""
    out = tmp_path / "out"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout
    assert first.stdout.readline() == "holds\n"
    with (
        pytest.raises(RefusedError, match="another process that is making it"),
        whole_folder(out),
    ):
        pytest.fail("the work began")
    with whole_folder(tmp_path / "out-2"):  # a neighbour
        pass
    first.communicate("\n")
    assert first.returncode == 0
    assert contents(out) == {"x": "first"}
    with whole_folder(out) as folder:
        (folder / "x").write_text("second")
    assert contents(tmp_path) == {"out/x": "second"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out-2"}
