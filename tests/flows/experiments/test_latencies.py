"""Latencies are brought to files that came without theirs, and to no other files."""

import json
import shutil
from pathlib import Path

import pytest

from flows.experiments.latencies import PAGES, bring, said, store
from tasks.artifacts.errors import RefusedError
from tests.compare.conftest import DATASET, network, put_network, write_revision

LEAF = f"{DATASET}/bc/gptq4"
BROUGHT = "latencies: 2 brought in, measured before of the same files"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose files came from the cache, and a study of the same that is kept."""
    root = tmp_path / "clone"
    write_revision(root)
    store(root, root / PAGES / "study-1/profiles")
    for path in root.glob("data/profiles/*/*/*/latency.json"):
        path.unlink()
    return root


def test_what_a_study_measured_is_brought(clone: Path):
    assert [*said(*bring(clone, clone))] == [BROUGHT]
    latency = clone / "data/profiles" / LEAF / "latency.json"
    kept = clone / PAGES / "study-1/profiles" / LEAF / "latency.json"
    assert latency.read_bytes() == kept.read_bytes()
    assert [*said(*bring(clone, clone))] == []


def test_a_worktree_takes_what_its_clone_measured(clone: Path, tmp_path: Path):
    bring(clone, clone)
    shutil.rmtree(clone / PAGES)
    worktree = tmp_path / "worktree"
    write_revision(worktree)
    for path in worktree.glob("data/profiles/*/*/*/latency.json"):
        path.unlink()
    assert [*said(*bring(worktree, clone))] == [BROUGHT]


def test_of_another_file_none_is_taken(clone: Path):
    put_network(clone, LEAF, 0, network(7.0), timed=False)
    told = f"python -m tasks.profile --dataset {DATASET} --learner bc"
    assert [*said(*bring(clone, clone))] == [
        BROUGHT.replace("2", "1"),
        f"latencies are missing; measure them with: {told}",
    ]


def test_the_one_that_stood_there_before_is_replaced(clone: Path):
    bring(clone, clone)
    latency = clone / "data/profiles" / LEAF / "latency.json"
    good = latency.read_bytes()
    for stale in (json.dumps({"onnx_sha256": "0" * 64}), '{"batch', "{}"):
        latency.write_text(stale)
        assert bring(clone, clone) == (1, [])
        assert latency.read_bytes() == good


def test_a_contract_that_is_cut_is_refused(clone: Path):
    (clone / "data/onnx" / LEAF / "seed-0.json").write_text('{"sche')
    with pytest.raises(RefusedError, match=r"seed-0\.json"):
        bring(clone, clone)


def test_without_a_study_nothing_is_said(tmp_path: Path):
    assert [*said(*bring(tmp_path, tmp_path))] == []
