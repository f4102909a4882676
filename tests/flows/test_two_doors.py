"""Two commands at once in one folder: the second waits, or is refused; all is whole.

docs/decisions/flows.md has a table of every pair.
"""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tasks.artifacts.files import sha256
from tests.flows.two_doors import HELD, LOCAL, Doors, meet, temporary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BUSY = r"ERROR: failed to reproduce '\S+': '\S+' is busy, it is being blocked by:"
WAITS = r"^evaluate: waiting: '\S+' is busy"
MAKING = (
    rf"^refused: {HELD}: output folder: found another process that is making it, "
    r"expected one at a time; wait until that has ended, then run the same command "
    r"again$"
)
# a process that has DVC's lock, as `dvc checkout` has while it runs
LOCKED = """
from dvc.repo import Repo
with Repo().lock:
    print("locked", flush=True)
    input()
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Doors, bytes, str]:
    """The project after a run, its dvc.lock, and the hash of its outputs."""
    made = Doors(tmp_path_factory.mktemp("doors") / "project")
    made.run(*LOCAL)
    made.commit()
    return made, made.lock(), sha256(made.data())


@pytest.fixture
def project(whole: tuple[Doors, bytes, str]) -> Iterator[Doors]:
    """The project; whatever the two commands did, one more run leaves it as before."""
    made, lock, outputs = whole
    yield made
    made.hold.unlink(missing_ok=True)
    made.run(*LOCAL)
    assert made.lock() == lock
    assert sha256(made.data()) == outputs
    assert not temporary(made.data())
    assert made.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("first", "second", "code", "words"),
    [
        ("dvc repro", "dvc repro", 255, BUSY),
        ("flow", "make run", 2, BUSY),
        ("make run", "flow", 0, WAITS),
        ("make study", "flow", 0, r"^4 stages: 3 cached, 1 completed$"),
        ("flow", "stage by hand", 1, MAKING),
        ("dvc repro", "stage by hand", 1, MAKING),
    ],
)
def test_the_first_ends_well_and_the_second_waits_or_is_refused(
    project: Doors, first: str, second: str, code: int, words: str
):
    project.forget()
    both = meet(project, first, second)
    assert both.codes == (0, code), both.said
    assert re.search(words, both.said[1], re.MULTILINE), both.said[1]
    assert "Traceback" not in "".join(both.said)


def test_a_flow_is_refused_the_stage_that_is_made_by_hand(project: Doors):
    project.forget()
    both = meet(project, "stage by hand", "flow")
    assert both.codes == (0, 1), both.said
    assert "output folder: found another process that is making it" in both.said[1]
    assert "Traceback" not in both.said[1]


def test_a_checkout_while_a_stage_works_changes_nothing(project: Doors):
    """It puts back what dvc.lock has; the stage then replaces its output whole."""
    both = meet(project, "flow --force", "dvc checkout")
    assert both.codes == (0, 0), both.said


def test_a_flow_waits_for_a_checkout(project: Doors):
    project.forget()
    checkout = subprocess.Popen(
        ["python", "-c", LOCKED],
        cwd=project.folder,
        env=project.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert checkout.stdout
    assert checkout.stdout.readline() == "locked\n"
    project.hold.touch()  # so that a flow that went on would be seen
    flow = project.start("flow")
    before = project.working()
    with pytest.raises(subprocess.TimeoutExpired):
        flow.wait(15)
    assert project.working() == before
    project.hold.unlink()
    checkout.communicate("\n")
    assert "evaluate: completed" in flow.communicate(timeout=240)[0]
