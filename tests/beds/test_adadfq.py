"""What AdaDFQ's claim looks at, and the bed that makes the other arms."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.policy import save_policy
from tasks.artifacts.sealed import write_sealed
from tasks.beds import Job
from tasks.beds.adadfq.real_data import RealData
from tasks.claims.adadfq import gaps, inside, right
from tasks.claims.engine.results import JobResult
from tests.beds.harness import ROOT, bed, block, claim, results, run
from tests.claims.results_files import evaluated
from tests.generate.test_rollout import make, quiet
from tests.nets.pictures import resnet
from tests.worlds.harness import load

SMALL = {"epochs": 2, "iterations": 2, "width": 4, "batch": 4, "warm_up": 1}


def tables(**right: float) -> dict[tuple[str, int], Any]:
    """Accuracies (3, 20) of about these means, by names like ``gdfq3``."""
    draw = np.random.default_rng(0)
    return {
        (name[:-1], int(name[-1])): mean + draw.normal(size=(3, 20))
        for name, mean in right.items()
    }


PAPER = {
    "minmax3": 20.0,
    "gdfq3": 70,
    "adadfq3": 80,
    "real3": 88,
    "gdfq4": 86,
    "adadfq4": 88,
}


def gap(**changed: float) -> list[float]:
    arms = tables(**{**PAPER, **changed})
    return [figure.value for figure in gaps(arms, {0: 0.9, 1: 1.0}, (3, 4))]


def test_the_arms_are_subtracted_from_each_other():
    assert gap() == pytest.approx([60, 50, 8, 18, 8, 0.95], abs=1)
    assert gap(gdfq4=70)[4] == pytest.approx(-8, abs=1)


def test_pictures_between_the_margins_count_once_the_student_learns():
    rows = [
        {"seed": 0, "epoch": 0, "inside": 0.0},
        {"seed": 0, "epoch": 1, "inside": 0.5},
        {"seed": 0, "epoch": 2, "inside": 0.7},
        {"seed": 3, "epoch": 2, "inside": 1.0},
    ]
    assert inside(rows, 1) == pytest.approx({0: 0.6, 3: 1.0})


def test_tables_have_a_row_a_seed_and_per_cent():
    jobs = [
        JobResult("", {"arm": "gdfq", "bits": bits, "seed": seed}, {"right": answers})
        for bits, seed, answers in ((3, 0, [1, 2]), (3, 1, [3, 4]), (4, 0, [5, 5]))
    ]
    found = right(jobs, 20.0)
    assert found["gdfq", 3].tolist() == [[20, 40], [60, 80]]
    assert found["gdfq", 4].tolist() == [[100, 100]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two tiny policies, a few labelled pictures, games of a few steps."""
    root = tmp_path_factory.mktemp("data")
    world = load("scenes", max_steps=6)
    path = ROOT / "params/world/scenes.yaml"
    about = yaml.safe_load(path.read_text("utf-8"))
    episodes = make("labels", episodes=5).episodes(world, quiet)
    folder = root / "pictures-v0"
    write_dataset(folder, folder.name, episodes, world, {**about, "max_steps": 6})
    policy = resnet((4, 7), (4, 6), (3, 16, 16), 10)
    place = root / "bc_resnet"
    place.mkdir()
    card = json.loads((folder / "card.json").read_text("utf-8"))
    origin = {
        "seeds": [4, 7],
        "learner": "bc_resnet",
        "dataset": "pictures",
        "dataset_sha256": card["sha256"],
        "world": "scenes",
        "env_id": "Scenes-v0",
        "step_seconds": 1.0,
        "made_by": [],
    }
    save_policy(place, policy, origin)
    return {
        "needs_dataset": str(folder),
        "needs_policies": str(place),
        "seeds": [4, 7],
        "episodes": 4,
        "game": block("adadfq")["game"] | SMALL,
    }


def write_study(root: Path, answers: np.ndarray) -> None:
    """What the study would have left of its own policies: (2, 4) right answers."""
    n = np.arange(8)
    ended = np.zeros(8, bool)
    seeds = np.repeat([4, 7], 4)
    rows = Episodes(seeds, n % 4, n % 4, answers.ravel().astype(float), n, ended)
    for variant in ("float32", "adadfq"):
        place = root / "evaluations/pictures/bc_resnet" / variant
        place.mkdir(parents=True)
        names = ("pictures", "bc_resnet", variant)
        write_evaluation(place, rows, evaluated(*names, [4, 7], 4))
        place = root / "onnx/pictures/bc_resnet" / variant
        place.mkdir(parents=True)
        (place / "seed-4.onnx").write_bytes(b"x" * 100)
    place = root / "compressed/pictures/bc_resnet/adadfq"
    place.mkdir(parents=True)
    course = [{"seed": seed, "epoch": 1, "inside": 0.75} for seed in (4, 7)]
    write_sealed(place / "compression.json", {"course": course})
    write_sealed(
        root / "datasets/pictures-v0/world.json",
        {
            "schema": 2,
            "world": {"name": "pictures", "ref_min": 0, "ref_max": 6, "max_steps": 6},
        },
    )


def test_its_claim_looks_at_the_bed(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    left = run("adadfq", tmp_path, monkeypatch, **inputs)
    assert len({job.name for job in left.jobs}) == len(left.jobs) == 20
    assert [job.settings["seed"] for job in left.jobs] == [4, 7] * 10
    for job in left.jobs:
        answers = np.array(job.result["right"])
        assert answers.shape == (4,)
        assert (answers == answers.round()).all()
        assert answers.max() <= 6
        none = job.settings["arm"].startswith("minmax")
        assert len(job.result["course"]) == (0 if none else 2)
        assert job.result["bytes"] > 0
    data = tmp_path / "data"
    write_study(data, np.full((2, 4), 3))
    lists = {"datasets": ["pictures"], "policies": ["bc_resnet"], "seeds": [4, 7]}
    study = results(data, **lists)
    study.params["compress"] = {"adadfq": inputs["game"]}
    outcome = claim("adadfq", n=2).outcome(study)
    assert outcome.verdict == "bed refused"
    figures = {figure.name: figure.value for figure in outcome.figures}
    assert len(figures) == 6 + 10 + 2 + 2
    assert figures["adadfq at 3 bits"] == 50
    assert figures["file of adadfq"] == 100


def test_real_data_is_the_logged_pictures_and_answers(inputs: dict[str, Any]):
    made = bed("adadfq", **inputs)
    made.prepare([], None)

    def game(arm: str, bits: int, seed: int) -> Any:
        return made.game(Job("", {"arm": arm, "bits": bits, "seed": seed}))

    real = game("real", 3, 7)
    assert isinstance(real, RealData)
    assert (real.params.arm, real.params.bits) == ("gdfq", 3)
    picture, label = real.drawn()
    for one, y in zip(picture, label, strict=True):
        hits = (made.data.seen == one).flatten(1).all(1).nonzero()
        assert y in made.data.label[hits[:, 0]]
    assert game("minmax_data", 4, 4).params.arm == "minmax"
    free = game("no_margin", 3, 4)
    assert not isinstance(free, RealData)
    assert free.params.arm == "no_margin"


def test_a_study_of_other_bits_is_refused():
    with pytest.raises(RefusedError, match="expected adadfq at 3 bits"):
        bed("adadfq", game=block("adadfq")["game"] | {"bits": 4})
