"""What AdaDFQ's claim looks at, and the bed that makes the other arms."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.policy import save_policy
from tasks.beds.adadfq.arms import Bed, Job, RealData
from tasks.claims.adadfq import AdaDFQ, AdaDFQClaimParams, inside
from tasks.claims.engine.results import Results
from tests.claims.results_files import RETURNS
from tests.generate.test_rollout import make, quiet
from tests.nets.pictures import resnet
from tests.worlds.harness import load

EVALUATE = {"returns": {**RETURNS, "episodes": 4, "start_seed": 0}}


def claim() -> AdaDFQ:
    block = yaml.safe_load(Path("params/claims/adadfq.yaml").read_text("utf-8"))
    return AdaDFQ(AdaDFQClaimParams.parse(block, "claim.adadfq"))


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
RESULTS = Results({"study": {"seeds": [0, 1, 2]}, "evaluate": EVALUATE})


def verdicts(share: float = 0.9, **changed: float) -> list[str]:
    found = claim()._checks(RESULTS, tables(**{**PAPER, **changed}), {0: share, 1: 1.0})
    return [check.verdict for check in found]


def test_what_the_paper_says_is_shown():
    assert verdicts() == ["shown"] * 7


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"gdfq3": 82.0, "gdfq4": 95.0}, [0]),
        ({"minmax3": 65.0}, [2]),
        ({"minmax3": 75.0}, [1, 2]),
        ({"real3": 75.0}, [3]),
        ({"real3": 60.0}, [3, 4]),
        ({"gdfq4": 70.0}, [5]),
        ({"share": 0.4}, [6]),
    ],
)
def test_each_check_can_fail(changed: dict[str, float], missing: list[int]):
    found = verdicts(**changed)
    assert [i for i, verdict in enumerate(found) if verdict != "shown"] == missing


def test_pictures_between_the_margins_count_once_the_student_learns():
    rows = [
        {"seed": 0, "epoch": 0, "inside": 0.0},
        {"seed": 0, "epoch": 1, "inside": 0.5},
        {"seed": 0, "epoch": 2, "inside": 0.7},
        {"seed": 3, "epoch": 2, "inside": 1.0},
    ]
    assert inside(rows, 1) == pytest.approx({0: 0.6, 3: 1.0})


def study(root: Path, **changed: Any) -> Results:
    """Two tiny policies, a few labelled pictures, games of a few steps."""
    world = load("scenes", max_steps=6)
    block = yaml.safe_load(Path("params/world/scenes.yaml").read_text("utf-8"))
    episodes = make("labels", episodes=5).episodes(world, quiet)
    folder = root / "datasets/pictures-v0"
    folder.parent.mkdir(parents=True)
    write_dataset(folder, folder.name, episodes, world, {**block, "max_steps": 6})
    policy = resnet((4, 7), (4, 6), (3, 16, 16), 10)
    place = root / "policies/pictures/bc_resnet"
    place.mkdir(parents=True)
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
    adadfq = yaml.safe_load(Path("params/compress/adadfq.yaml").read_text("utf-8"))
    adadfq |= {"epochs": 2, "iterations": 2, "width": 4, "batch": 4, "warm_up": 1}
    params = {
        "study": {"seeds": [4, 7], "datasets": ["pictures"], "policies": ["bc_resnet"]},
        "compress": {"adadfq": {**adadfq, **changed}},
        "evaluate": EVALUATE,
    }
    return Results(params, root)


def test_the_bed_trains_plays_and_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    results = study(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    wanted = [("minmax_data", 4), ("real", 3), ("adadfq", 4)]
    bed = Bed(results, "pictures", "bc_resnet")
    found = bed.run(wanted)
    assert list(found) == wanted
    for (arm, _), one in found.items():
        assert one["right"].shape == (2, 4)
        assert (one["right"] == one["right"].round()).all()
        assert one["right"].max() <= 6
        assert len(one["course"][0]) == (0 if arm == "minmax_data" else 2)
    files = sorted(Path(".offcut/claims").glob("*/seed-*.onnx"))
    assert len(files) == 6
    before = [file.stat().st_mtime_ns for file in files]
    files[0].with_name("result.json").unlink()
    with pytest.raises(RefusedError, match="result.json"):
        bed.run(wanted)  # a folder is whole or not there
    again = Bed(results, "pictures", "bc_resnet")
    assert [file.stat().st_mtime_ns for file in files] == before
    job = Job("real", 3, 0, 4)
    assert again.folder(job) == bed.folder(job)
    assert again.folder(Job("real", 4, 0, 4)) != bed.folder(job)


def test_real_data_is_the_logged_pictures_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    results = study(tmp_path / "data")
    bed = Bed(results, "pictures", "bc_resnet")
    real = bed.game(Job("real", 3, 1, 7))
    assert isinstance(real, RealData)
    assert (real.params.arm, real.params.bits) == ("gdfq", 3)
    picture, label = real.drawn()
    for one, y in zip(picture, label, strict=True):
        hits = (bed.data.seen == one).flatten(1).all(1).nonzero()
        assert y in bed.data.label[hits[:, 0]]
    assert bed.game(Job("minmax_data", 4, 0, 4)).params.arm == "minmax"
    free = bed.game(Job("no_margin", 3, 0, 4))
    assert not isinstance(free, RealData)
    assert free.params.arm == "no_margin"


def test_a_study_of_other_bits_is_refused(tmp_path: Path):
    results = Results(
        {
            "study": {"datasets": ["x"], "policies": ["y"]},
            "compress": {"adadfq": {"bits": 4, "arm": "adadfq"}},
            "evaluate": EVALUATE,
        },
        tmp_path,
    )
    with pytest.raises(RefusedError, match="expected adadfq at 3 bits"):
        claim().outcome(results)
