"""The bed: its text and arms; and what its claim looks at."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.beds.quest.arms import LOST, alignment, exported
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
from tasks.claims import quest as claims
from tasks.claims.engine.results import BedResults
from tests.beds.harness import bed, claim, made_up, results, run

torch.set_num_threads(1)
SMALL = Settings((0, 1), 6, 4, 3e-3, 32, 2, 1, 16, 16, 8)


def left(**changed: list[float]) -> BedResults:
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
    measured: dict[str, Any] = {n: {"loss": x} for n, x in (loss | changed).items()}
    measured["float"]["alignment"] = alike
    made = bed("quest")
    jobs = {job.name: (job.settings, measured.get(job.name)) for job in made.jobs()}
    return made_up(vars(made.params), {n: job for n, job in jobs.items() if job[1]})


def test_every_effect_is_a_figure():
    figures = claims.gaps(left())
    assert len(figures) == 6 + 1 + 2 + 2
    assert min(figure.value for figure in figures) > 0


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"no_hadamard W2A2": [1.9, 2.0]}, "W2A2: loss of no Hadamard above quest's"),
        ({"no_trust W1A1": [2.1, 2.1]}, "W1A1: loss of no trust mask above quest's"),
        ({"ste W1A1": [2.1, 2.1]}, "W1A1: loss of straight-through above quest's"),
        ({"quest W4A4": [2.05, 2.05]}, "gap to float of 2 bits above that of 4"),
    ],
)
def test_what_is_not_so_lies_below_zero(changed: dict[str, list[float]], name: str):
    figures = claims.gaps(left(**changed))
    assert [figure.name for figure in figures if figure.value < 0] == [name]


def test_an_arm_that_diverged_is_seen():
    figures = claims.gaps(left(**{"quest W4A4": [LOST] * 2}))
    missed = {figure.name for figure in figures if figure.value < 0}
    assert "loss of chance above quest's largest" in missed


def test_chance_is_that_of_the_characters_there_are():
    assert len(SYMBOLS) == claims.SYMBOLS


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


def test_its_claim_looks_at_the_bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = {name: getattr(SMALL, name) for name in ("steps", "batch", "width")}
    small |= {"layers": 1, "context": 16, "block": 16, "windows": 8}
    ran = run("quest", tmp_path, monkeypatch, bits=[1], alone=[2], **small)
    names = ["quest W1A1", "no_hadamard W1A1", "no_trust W1A1", "ste W1A1", "lsq W1A1"]
    assert [job.name for job in ran.jobs] == ["float", *names, "quest W2A2"]
    measured = claims.arms(ran)
    assert set(measured["float", 32]["alignment"]) == {"quest W1A1", "ste W1A1"}
    assert all(len(result["loss"]) == 2 for result in measured.values())
    assert measured["quest", 1]["onnx"] == pytest.approx(
        measured["quest", 1]["torch"], abs=1e-6
    )
    outcome = claim("quest", n=2).outcome(results(tmp_path / "data"))
    assert outcome.verdict == "bed refused"
    assert len(outcome.figures) == 3 + 1 + 1 + 1 + 7 + 2 + 3 * 2
