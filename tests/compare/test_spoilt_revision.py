"""Every place of every file of a revision, spoilt: a gap, a refusal, or shown.

``OFFCUT_MUTATIONS=all`` tries each way to spoil each place, which takes minutes;
otherwise a sample is tried, always the same.
"""

import os
import random
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.compare import Source
from tasks.compare.page import compare
from tests.compare.conftest import DATASET, write_revision
from tests.estimate_files import add_estimates
from tests.measured_files import put
from tests.spoilt_json import restore, spoilt

EVERY = os.environ.get("OFFCUT_MUTATIONS") == "all"
SAMPLE = 4  # ways to spoil each file
LEAF = f"{DATASET}/bc/gptq4"
FILES = (
    "environment.json",
    f"data/datasets/{DATASET}-v0/card.json",
    f"data/datasets/{DATASET}-v0/world.json",
    f"data/policies/{DATASET}/bc/policy.json",
    f"data/onnx/{LEAF}/seed-1.json",
    f"data/evaluations/{LEAF}/metrics.json",
    f"data/profiles/{LEAF}/latency.json",
    f"data/estimates/{DATASET}/bc/wis/metrics.json",
    f"data/qdc/{DATASET}/metrics.json",
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Two equal revisions with a file of every kind."""
    place, both = tmp_path_factory.mktemp("revisions"), []
    for name in ("main", "other"):
        folder = place / name
        write_revision(folder)
        add_estimates(folder, DATASET, "bc", ("wis",))
        put(folder, [DATASET])
        path = folder / "params.yaml"
        params = yaml.safe_load(path.read_text("utf-8"))
        params["evaluate"]["returns"]["resamples"] = 100
        path.write_text(yaml.safe_dump(params), "utf-8")
        both.append(Source(name, "branch", "a" * 40, "a message", folder))
    return both


@pytest.mark.parametrize("name", FILES)
def test_no_spoilt_file_is_an_error_of_the_comparison(sources: list[Source], name: str):
    path: Path = sources[1].folder / name
    text, cases, wrong = path.read_text("utf-8"), list(spoilt(path)), []
    if not EVERY:
        cases = random.Random(0).sample(cases, SAMPLE)  # noqa: S311
    for words, spoil in cases:
        spoil()
        try:
            compare(sources)
        except RefusedError as error:
            if "\n" in str(error):
                wrong.append(f"{words}: {error}")
        except Exception as error:  # that is what is looked for
            wrong.append(f"{words}: {error!r}")
        finally:
            restore(path, text)
    assert wrong == []
