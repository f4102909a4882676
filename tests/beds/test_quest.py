"""The bed: its text and arms; and what its claim looks at."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tasks.artifacts.params import build
from tasks.beds.quest import arms as room
from tasks.beds.quest.arms import alignment, exported, run
from tasks.beds.quest.language import (
    SYMBOLS,
    Arm,
    Settings,
    held_out,
    judged,
    read_text,
    schedule,
    train,
)
from tasks.beds.quest.language import (
    build as build_network,
)
from tasks.claims import Check
from tasks.claims.quest import QuestClaim

torch.set_num_threads(1)
PARAMS = Path(__file__).parents[2] / "params/claims/quest.yaml"
SMALL = Settings((0, 1), 6, 4, 3e-3, 32, 2, 1, 16, 16, 8)


def claim(**changed: Any) -> QuestClaim:
    block = yaml.safe_load(PARAMS.read_text()) | changed
    made: QuestClaim = build(block, "claim.quest")
    return made


def found(**changed: list[float]) -> dict[str, Any]:
    """What the arms would leave if all that is wanted were seen."""
    loss = {
        "float": [1.9, 1.92],
        **{
            f"quest W{b}A{b}": [x, x + 0.01]
            for b, x in ((1, 2.15), (2, 2.0), (4, 1.95))
        },
        **{
            f"{name} W{b}A{b}": [2.5, 2.6]
            for name in ("no_hadamard", "no_trust", "ste")
            for b in (1, 2)
        },
    }
    alike = {
        f"{n} W{b}A{b}": [x, x]
        for n, x in (("quest", 0.6), ("ste", 0.4))
        for b in (1, 2)
    }
    told: dict[str, Any] = {name: {"loss": x} for name, x in (loss | changed).items()}
    told["float"]["alignment"] = alike
    return told


def test_every_effect_is_a_check_of_the_worst_seed():
    checks = claim().checks(found())
    assert len(checks) == 6 + 1 + 2 + 2
    assert {check.verdict for check in checks} == {"shown"}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"no_hadamard W2A2": [2.5, 2.0]}, "W2A2: loss of no Hadamard above quest's"),
        ({"no_trust W1A1": [2.1, 2.6]}, "W1A1: loss of no trust mask above quest's"),
        ({"ste W1A1": [2.1, 2.6]}, "W1A1: loss of straight-through above quest's"),
        ({"quest W4A4": [1.95, 2.05]}, "gap to float of 2 bits above that of 4"),
    ],
)
def test_one_seed_that_does_not_show_it_is_enough(
    changed: dict[str, list[float]], name: str
):
    checks = claim().checks(found(**changed))
    missed = [check for check in checks if check.verdict != "shown"]
    assert [check.figure.name for check in missed] == [f"{name}, worst seed"]
    assert missed[0].figure.value < 0


def test_an_arm_that_diverged_is_seen():
    lost = [room.LOST] * 2
    checks: list[Check] = claim().checks(found(**{"quest W4A4": lost}))
    missed = {check.figure.name for check in checks if check.verdict != "shown"}
    assert "loss of chance above quest's largest, worst seed" in missed


def test_the_text_is_code_and_no_part_is_in_both():
    text = read_text()
    assert len(text.train) > 3_000_000
    assert 0.09 < len(text.held_out) / (len(text.train) + len(text.held_out)) < 0.11
    assert len(SYMBOLS) == 96
    first = "".join(SYMBOLS[i] for i in text.train[:200].tolist())
    assert "Abstract Base Classes" in first  # of module abc
    assert text.sha256 == read_text().sha256
    windows = held_out(text, SMALL)
    assert windows.shape == (8, 17)
    assert torch.equal(windows[-1], text.held_out[-17:])


def test_rates_rise_and_fall():
    assert [schedule(x) for x in (0, 0.05, 0.1, 0.55, 1)] == pytest.approx(
        [0.01, 0.505, 1, 0.55, 0.1]
    )


def test_a_tenth_of_the_way_is_learned_and_seeds_stand_alone():
    text = read_text()
    windows = held_out(text, SMALL)
    both = judged(train(Arm("quest", 2), text, SMALL), windows)
    assert (both < math.log(96)).all()
    alone = Settings(**{**vars(SMALL), "seeds": (1,)})
    found = judged(train(Arm("quest", 2), text, alone), windows)
    assert float(found[0]) == pytest.approx(float(both[1]), abs=1e-3)


def test_gradients_of_the_same_network_point_the_same_way():
    text = read_text()
    network = train(Arm("float", 32), text, SMALL)
    parts = held_out(text, SMALL).split(4)  # type: ignore[no-untyped-call]
    same = alignment(network, build_network(Arm("float", 32), SMALL), parts)
    assert same.tolist() == pytest.approx([1, 1], abs=1e-5)
    eight, one = (
        alignment(network, build_network(Arm("quest", bits), SMALL), parts)
        for bits in (8, 1)
    )
    assert (eight > 0.95).all()
    assert (one < eight).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_trained_networks_file_has_its_loss(bits: float):
    text = read_text()
    network = train(Arm("quest", bits), text, SMALL)
    told = exported(network, held_out(text, SMALL))
    assert told["onnx"] == pytest.approx(told["torch"], abs=1e-6)
    plain = exported(train(Arm("float", 32), text, SMALL), held_out(text, SMALL))
    assert told["bytes"] < plain["bytes"]


def test_arms_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "KEPT", tmp_path / "kept")
    arms = [Arm("float", 32), Arm("quest", 1), Arm("lsq", 1)]
    compared = [Arm("quest", 1), Arm("ste", 1)]
    first = run(arms, compared, SMALL, 1)
    assert set(first) == {"float", "quest W1A1", "lsq W1A1"}
    assert set(first["float"]["alignment"]) == {"quest W1A1", "ste W1A1"}
    assert all(len(told["loss"]) == 2 for told in first.values())

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(room, "train", never)
    assert run(arms, compared, SMALL, 1) == first
    with pytest.raises(AssertionError):
        run(arms, compared, Settings(**{**vars(SMALL), "steps": 7}), 1)
