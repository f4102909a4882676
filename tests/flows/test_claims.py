import json
import subprocess
from pathlib import Path

import pytest

from flows.claims import bring, studies
from tasks.artifacts.errors import RefusedError

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone whose last commit stands for an experiment."""
    git(tmp_path, "init", "-q")
    commit(tmp_path, value=1.0)
    git(tmp_path, "rm", "-rq", "data")
    git(tmp_path, "commit", "-qm", "without")
    return tmp_path


def commit(root: Path, value: float) -> None:
    path = root / "data/claims/riql.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content(value)))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "an experiment")


def content(value: float, **more: float) -> dict[str, object]:
    words = dict.fromkeys(("statement", "paper", "verdict"), "x")
    ends = {"low": value, "high": value, "of": "training seeds", "n": 8, "sd": 1.0}
    figure = {"name": "a", "unit": "score", "value": value, **ends, "exact": ""}
    rule = {"bound": 0.0, "smallest": 1.0, "pilot_sd": 1.0, "verdict": "x"}
    primary = {**figure, **rule, "pilot": "", "measures": "x"}
    lists = {"seeds": [0], "refused": [], "gates": [], "figures": [figure]}
    head = {"schema": 2, "claim": "riql", "study": "riql"}
    return {**head, **words, **lists, "primary": primary, **more}


def kept(root: Path) -> dict[str, object]:
    return json.loads((root / "data/claims/riql.json").read_text())


def test_each_claim_has_its_study():
    found = studies(ROOT)
    named = {path.stem for path in (ROOT / "params/claims").glob("*.yaml")}
    assert found.keys() == named
    assert not [study for study in found.values() if study.endswith("_smoke")]


def test_a_claim_is_brought_in_with_what_it_took(root: Path):
    bring(root, "HEAD~1", "riql", 61.4)
    assert kept(root) == content(1.0, wall_seconds=61)


def test_the_same_figures_from_the_cache_keep_their_time(root: Path):
    bring(root, "HEAD~1", "riql", 61.4)
    bring(root, "HEAD~1", "riql", 2.0)
    assert kept(root)["wall_seconds"] == 61
    commit(root, value=2.0)
    bring(root, "HEAD", "riql", 9.0)
    assert kept(root) == content(2.0, wall_seconds=9)


def test_a_claim_that_is_not_whole_is_refused(root: Path):
    path = root / "data/claims/riql.json"
    commit(root, value=2.0)
    path.write_text(json.dumps(content(2.0) | {"gates": [1]}))
    git(root, "commit", "-qam", "another")
    with pytest.raises(RefusedError, match=r"gates\[0\]: found 1, expected an object"):
        bring(root, "HEAD", "riql", 9.0)


def test_an_experiment_without_the_claim_is_refused(root: Path):
    with pytest.raises(RefusedError, match="riql"):
        bring(root, "HEAD", "riql", 1.0)
    assert not (root / "data/claims").exists()
