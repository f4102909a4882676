"""What AdaDFQ's claim looks at, and the bed that makes the other arms."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.policy import save_policy
from tasks.artifacts.sealed import write_sealed
from tasks.beds import Job
from tasks.beds.adadfq import LEARNED
from tasks.beds.adadfq.crossed import RealData
from tasks.claims import GATES
from tasks.claims.engine.results import Results
from tests.beds.harness import ROOT, bed, block, claim, made_up, results, run
from tests.claims.results_files import evaluated
from tests.generate.test_rollout import make, quiet
from tests.nets.pictures import resnet
from tests.worlds.harness import load

SMALL = {"epochs": 2, "iterations": 2, "width": 4, "batch": 4, "warm_up": 1}


PAPER = {  # % right, by whose pictures, whose loss and bits
    ("adadfq", "adadfq", 2): 60.0,
    ("gdfq", "adadfq", 2): 40,
    ("gdfq_again", "adadfq", 2): 41,
    ("real", "adadfq", 2): 75,
    ("minmax", "none", 2): 20,
    ("minmax", "none", 3): 60,
    ("minmax", "none", 4): 85,
}


def left(**changed: float) -> Any:
    """What the bed might leave of episodes of 50 pictures, float at 90 % right."""
    names = {"gdfq": ("gdfq", "adadfq", 2), "real": ("real", "adadfq", 2)}
    names |= {"few": ("minmax", "none", 2), "more": ("minmax", "none", 3)}
    names |= {"again": ("gdfq_again", "adadfq", 2)}
    right = PAPER | {names[name]: value for name, value in changed.items()}
    made, draw = bed("adadfq"), np.random.default_rng(0)
    jobs: dict[str, Any] = {}
    for job in made.jobs():
        mean = right.get(
            tuple(job.settings[n] for n in ("pictures", "loss", "bits")), 50
        )
        answers = mean / 2 + draw.normal(size=4)
        course = [{"epoch": n, "inside": 0.2 * n} for n in range(4)]
        jobs[job.name] = (job.settings, {"right": answers.tolist(), "course": course})
    return made_up(vars(made.params), jobs)


@pytest.mark.parametrize(
    ("changed", "verdict", "kind"),
    [
        ({}, "shown", ""),
        ({"gdfq": 64.0, "again": 64.0}, "not shown", ""),
        ({"real": 19.0}, "bed refused", "competence"),
        ({"real": 40.0}, "bed refused", "headroom"),
        ({"few": 50.0}, "bed refused", "range"),
        ({"more": 30.0}, "bed refused", "range"),
        ({"again": 55.0}, "bed refused", "noise"),
    ],
)
def test_the_verdict_and_each_gate(
    changed: dict[str, float],
    verdict: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
):
    count = len(bed("adadfq").params.seeds)
    monkeypatch.setattr(Results, "bed", lambda *_: left(**changed))
    monkeypatch.setattr(Results, "world", lambda *_: {"max_steps": 50})
    monkeypatch.setattr(Results, "returns", lambda *_: np.full((count, 4), 45.0))
    study = {"datasets": ["pictures"], "policies": ["bc_resnet"]}
    outcome = claim("adadfq").outcome(Results({"study": study}))
    assert outcome.verdict == verdict
    assert any(words.startswith(kind) for words in outcome.refused) == bool(kind)
    figures = {figure.name: figure.value for figure in outcome.figures}
    # warm-up is two epochs: of 0, 0.2, 0.4 and 0.6 the last two
    assert figures["between the margins, loss of gdfq"] == pytest.approx(0.5)


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
    seeds, ended = np.repeat([4, 7], 4), np.zeros(8, bool)
    rows = Episodes(seeds, n % 4, n % 4, answers.ravel().astype(float), n, ended)
    place = root / "evaluations/pictures/bc_resnet/float32"
    place.mkdir(parents=True)
    names = ("pictures", "bc_resnet", "float32")
    write_evaluation(place, rows, evaluated(*names, [4, 7], 4))
    world = {"name": "pictures", "ref_min": 0, "ref_max": 6, "max_steps": 6}
    content = {"schema": 2, "world": world}
    write_sealed(root / "datasets/pictures-v0/world.json", content)


def test_its_claim_looks_at_the_bed(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    left = run("adadfq", tmp_path, monkeypatch, **inputs)
    arms = len(LEARNED) + 2 + 2  # min-max on noise and on data, and at more bits
    assert len({job.name for job in left.jobs}) == len(left.jobs) == 2 * arms
    assert [job.settings["seed"] for job in left.jobs] == [4, 7] * arms
    for job in left.jobs:
        answers = np.array(job.result["right"])
        assert answers.shape == (4,)
        assert (answers == answers.round()).all()
        assert answers.max() <= 6
        learned = job.settings["loss"] != "none"
        assert len(job.result["course"]) == (2 if learned else 0)
        assert job.result["bytes"] > 0
    data = tmp_path / "data"
    write_study(data, np.full((2, 4), 3))
    lists = {"datasets": ["pictures"], "policies": ["bc_resnet"], "seeds": [4, 7]}
    outcome = claim("adadfq", n=2).outcome(results(data, **lists))
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    figures = {figure.name: figure.value for figure in outcome.figures}
    assert len(figures) == len(outcome.figures)
    assert figures["float32"] == 50


def test_pictures_and_loss_are_chosen_apart(inputs: dict[str, Any]):
    made = bed("adadfq", **inputs)
    made.prepare([], None)
    logits, label = torch.randn(2, 6, 10), torch.arange(6)
    maker, student = {}, {}
    for pictures, loss in (("adadfq", "gdfq"), ("gdfq", "adadfq"), ("gdfq", "gdfq")):
        job = {"pictures": pictures, "loss": loss, "bits": 2, "seed": 4}
        game = made.game(Job("", job))
        maker[pictures, loss] = float(
            game.maker_loss(*logits, label, torch.ones(()))[0]
        )
        student[pictures, loss] = float(game.student_loss(*logits, label))
    assert maker["gdfq", "adadfq"] == maker["gdfq", "gdfq"] != maker["adadfq", "gdfq"]
    assert student["adadfq", "gdfq"] == student["gdfq", "gdfq"]
    assert student["gdfq", "gdfq"] != student["gdfq", "adadfq"]


def test_again_is_the_same_but_for_chance(inputs: dict[str, Any]):
    made = bed("adadfq", **inputs)
    made.prepare([], None)
    jobs = [
        Job("", {"pictures": name, "loss": "adadfq", "bits": 2, "seed": 4})
        for name in ("gdfq", "gdfq_again")
    ]
    one, again = map(made.game, jobs)
    assert one.params == again.params
    assert not torch.equal(one.drawn()[0], again.drawn()[0])


def test_real_data_is_the_logged_pictures_and_answers(inputs: dict[str, Any]):
    made = bed("adadfq", **inputs)
    made.prepare([], None)

    def game(pictures: str, bits: int, seed: int) -> Any:
        job = {"pictures": pictures, "loss": "adadfq", "bits": bits, "seed": seed}
        return made.game(Job("", job))

    real = game("real", 3, 7)
    assert isinstance(real, RealData)
    assert (real.params.arm, real.params.bits) == ("gdfq", 3)
    picture, label = real.drawn()
    for one, y in zip(picture, label, strict=True):
        hits = (made.data.seen == one).flatten(1).all(1).nonzero()
        assert y in made.data.label[hits[:, 0]]
    assert game("minmax_data", 4, 4).params.arm == "minmax"
