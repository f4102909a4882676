"""What the claim sees in made-up regrets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.sealed import write_sealed
from tasks.claims import GATES, Outcome
from tests.beds.harness import claim, results
from tests.study_files import state_curves

TRIALS, STEPS = 20, 300_000
PAPER = {"dynlin_ucb": 30_000, "linucb": 66_000, "batch_exp3": 36_000, "ucb1": 40_000}
BED = {
    ("no hidden state", "linucb"): 2_000,
    ("synthetic", "dynlin_ucb"): 6_000,
    ("synthetic", "linucb"): 9_000,
    ("rho x 0.5", "dynlin_ucb"): 40_000,
}


def look(root: Path, spread: float = 0.05, **changed: float) -> Outcome:
    """The claim's outcome where mean regrets are as told, and spread by a share."""
    draw = np.random.default_rng(0)

    def drawn(mean: float) -> list[float]:
        return (mean * np.exp(spread * draw.normal(size=TRIALS))).tolist()

    source = root / "datasets/bandit_real-v0"
    source.mkdir(parents=True)
    path = Path("params/world/dynamical_linear_bandit.yaml")
    content = {"schema": 2, "world": yaml.safe_load(path.read_text())}
    write_sealed(source / "world.json", content)
    for learner, mean in (PAPER | changed).items():
        place = root / "policies/bandit_real" / learner / "curves.csv"
        place.parent.mkdir(parents=True)
        rows = ["update,seed,regret,best_arm"]
        ends = drawn(mean)
        for step, share in ((STEPS // 2, 0.55), (STEPS, 1.0)):
            rows += [f"{step},{k},{share * end},0.5" for k, end in enumerate(ends)]
        place.write_text("\n".join(rows) + "\n")
        state_curves(place)
    bed = BED | {("no hidden state", "linucb"): changed.get("control", 2_000)}
    jobs = [
        {
            "name": f"{case}, {learner}",
            "settings": {"case": case, "learner": learner},
            "result": {"regret": (values := drawn(mean)), "half": values},
        }
        for (case, learner), mean in bed.items()
    ]
    folder = root / "beds/dynamical_linear_bandits"
    folder.mkdir(parents=True)
    left: dict[str, Any] = {"bed": folder.name, "parameters": {}, "jobs": jobs}
    write_sealed(folder / "results.json", left)
    told = {"seeds": list(range(TRIALS)), "learned": list(PAPER), "steps": STEPS}
    outcome: Outcome = claim("dynamical_linear_bandits").outcome(results(root, **told))
    return outcome


def test_what_the_paper_says_is_shown(tmp_path: Path):
    outcome = look(tmp_path)
    assert outcome.refused == []
    assert outcome.verdict == "shown"
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    assert outcome.primary.figure.value == pytest.approx(np.log(2.2), abs=0.05)
    assert (outcome.primary.figure.of, outcome.primary.figure.n) == ("trials", 20)
    rows = {figure.name: figure for figure in outcome.figures}
    assert len(rows) == len(outcome.figures)
    assert rows["linucb, end over middle"].value == pytest.approx(1 / 0.55)
    rho = "dynlin_ucb, rho x 0.5"
    assert rows[rho].value == pytest.approx(np.log(40_000), abs=0.05)
    gap = rows["linucb, synthetic over dynlin_ucb, synthetic"]
    assert gap.value == pytest.approx(np.log(1.5), abs=0.05)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"linucb": 25_000.0}, "not shown"),
        ({"dynlin_ucb": 44_000.0}, "competence: a random arm over dynlin_ucb"),
        ({"control": 66_000.0}, "headroom: linucb over linucb, no hidden state"),
        ({"linucb": 86_000.0}, "range: linucb, of the worst arm's"),
        ({"spread": 0.9}, "noise: the primary on one half of the trials"),
    ],
)
def test_what_is_not_so_is_said(changed: dict[str, float], words: str, tmp_path: Path):
    outcome = look(tmp_path, **changed)
    if words == "not shown":
        assert outcome.verdict == words
    else:
        assert any(reason.startswith(words) for reason in outcome.refused)
