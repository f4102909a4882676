"""What the check lets through is run; with ``OFFCUT_MUTATIONS=all`` all of a sample."""

import os
from itertools import islice
from pathlib import Path

import pytest

from tests.hazards.accepted import Projects, accepted, tried

EVERY = os.environ.get("OFFCUT_MUTATIONS") == "all"


@pytest.mark.slow
@pytest.mark.timeout(36_000)
def test_what_the_check_accepts_runs_or_is_refused_by_its_stage(tmp_path: Path):
    cases = [case for case in accepted(200) if EVERY or case[1][0] == "train"]
    projects = Projects(tmp_path)
    said = [tried(projects, case) for case in islice(cases, None if EVERY else 3)]
    assert [line for line in said if line.startswith("FAILED")] == []
    assert any(line.startswith("ran") for line in said)
