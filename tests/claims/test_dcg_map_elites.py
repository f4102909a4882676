"""What the claim sees in made-up cards."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.sealed import write_sealed
from tasks.claims import Outcome
from tasks.claims.engine.results import Results


def card(qd: float, gradient: int, **more: Any) -> dict[str, Any]:
    return {
        "qd_score": qd,
        "coverage": qd / 1000,
        "best": 250.0,
        "evaluations": 8000,
        "cell_width": 0.125,
        "added": {"random": 5, "variation": 9, "gradient": gradient, "injected": 0},
        "reproducibility": {"descriptor_error": 0.1, "return_error": 1.0},
        "filled": 20,
        **more,
    }


def policy(share: float, error: float) -> dict[str, Any]:
    one = {"qd_score": 1.0, "share": share, "descriptor_error": error}
    return {"distilled": {"torch": one, "onnxruntime": one}}


def look(root: Path, **changes: Any) -> Outcome:
    cards = {
        "dcg_0": card(500, 40, **policy(0.9, 0.2)),
        "dcg_1": card(600, 50, **policy(0.8, 0.1)),
        "pga_0": card(300, 20),
        "pga_1": card(550, 49),
        "map_elites_0": card(200, 0),
        "map_elites_1": card(350, 0),
        "passive_0": card(450, 30, **policy(0.7, 0.3)),
    } | changes
    for name, one in cards.items():
        if one is not None:
            folder = root / f"datasets/swimmer_{name}-v0"
            folder.mkdir(parents=True)
            write_sealed(folder / "card.json", {"archive": one})
    text = Path("params/claims/dcg_map_elites.yaml").read_text("utf-8")
    claim = build(yaml.safe_load(text) | {"seeds": [0, 1], "n": 2}, "claim")
    return claim.outcome(Results({"study": {"seeds": [0]}}, root))


def test_dcg_is_compared_with_pga(tmp_path: Path):
    found = look(tmp_path)
    gain = (500 / 300 + 600 / 550) / 2 - 1
    assert found.primary.figure.value == pytest.approx(100 * gain)
    rows = {figure.name: figure.value for figure in found.figures}
    assert rows["coverage, dcg - pga"] == pytest.approx(12.5)
    assert rows["descriptor error of the policy"] == pytest.approx(1.5)
    assert rows["passive 0: QD score"] == 450
    assert rows["dcg 0: policy in torch"] == 1
    helps, _, covered, again = found.gates
    assert helps.figure.value == pytest.approx((50 + 100 * (550 / 350 - 1)) / 2)
    assert covered.passed
    assert again.figure.value == pytest.approx(100 * (20 / 300 + 20 / 550) / 2)
    assert again.passed
    assert found.refused == []


def test_gradients_that_do_not_help_refuse_the_bed(tmp_path: Path):
    level = {"map_elites_0": card(310, 0), "map_elites_1": card(540, 0)}
    found = look(tmp_path, **level)
    kinds = [reason.split(":")[0] for reason in found.refused]
    assert kinds == ["competence", "headroom"]


def test_a_missing_arm_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="swimmer_pga_1-v0"):
        look(tmp_path, pga_1=None)
