"""Every place of what a claim and the pages of claims read, spoilt: refused, or read.

``OFFCUT_MUTATIONS=all`` tries each way to spoil each place, otherwise a sample.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.sealed import write_sealed
from tasks.claims.__main__ import judged
from tasks.claims.deis import LATE, RUNGS
from tasks.claims.engine.pages import pages
from tasks.claims.engine.results import Results
from tests.beds import harness
from tests.claims.results_files import write_scores
from tests.claims.test_claims import claim
from tests.spoilt_json import restore, spoilt

EVERY = os.environ.get("OFFCUT_MUTATIONS") == "all"
SAMPLE = 60


def wrong(path: Path, read: Callable[[], object]) -> list[str]:
    """Ways to spoil a file that end in another error than a refusal of one line."""
    text, cases, said = path.read_text("utf-8"), list(spoilt(path)), []
    if not EVERY:
        cases = random.Random(0).sample(cases, min(SAMPLE, len(cases)))  # noqa: S311
    for words, spoil in cases:
        spoil()
        try:
            read()
        except RefusedError as error:
            if "\n" in str(error):
                said.append(f"{words}: {error}")
        except Exception as error:  # that is what is looked for
            said.append(f"{words}: {error!r}")
        finally:
            restore(path, text)
    read()
    return said


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A study with a bed in which three mixtures were sampled."""
    jobs = [
        {
            "name": f"{table}, mixture {k}",
            "settings": {"table": table, "mixture": k},
            "result": [
                {
                    "sampler": name,
                    "guidance": 0.0,
                    "nfe": n,
                    "means": [1.0 + k + i / 9, 2.0 + k],
                    "logs": [k + i / 9, i / 9],
                }
                for i, name in enumerate(("euler", *RUNGS))
                for n in LATE
            ],
        }
        for table in ("wide", "narrow")
        for k in range(3)
    ]
    content = {"schema": 1, "bed": "deis", "parameters": {}, "jobs": jobs}
    (tmp_path / "beds/deis").mkdir(parents=True)
    write_sealed(tmp_path / "beds/deis/results.json", content)
    return write_scores(tmp_path, {("d", "p"): 0.0})


def test_no_spoilt_bed_is_an_error_of_its_claim(results: Results):
    its = harness.claim("deis", n=3)
    path = results.root / "beds/deis/results.json"
    assert wrong(path, lambda: judged(its, results, "deis")) == []


def test_no_spoilt_claim_is_an_error_of_the_pages(tmp_path: Path):
    path = tmp_path / "data/claims/riql.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(claim()))
    assert wrong(path, lambda: pages(tmp_path)) == []
