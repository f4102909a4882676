"""The bed: its text and arms; and what its claim looks at."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.beds.quest.arms import alignment, exported
from tasks.beds.quest.language import (
    SYMBOLS,
    Arm,
    Settings,
    Text,
    held_out,
    judged,
    read_text,
    schedule,
    train,
    trivial,
)
from tasks.beds.quest.language import (
    build as build_network,
)
from tasks.claims import GATES
from tasks.claims import quest as claims
from tasks.claims.engine.results import BedResults, Results
from tests.beds.harness import bed, claim, made_up, results, run

torch.set_num_threads(1)
SMALL = Settings((0, 1), 6, 4, 3e-3, 32, 2, 1, 16, 16, 8)


LOSSES = {"float": 1.6, "quest": 1.85, "lsq": 1.95}
SPREAD = np.array([0.02, 0.0, -0.01, 0.01, -0.02])

ODD = np.array([0, 1, 0, 1, 0])


def left(step: float = 0.0, **changed: float) -> BedResults:
    """What the arms would leave if what is claimed were seen, from 1.6 nats on.

    Args:
        step: Every other seed of all arms loses so much more.
        changed: Losses of arms.
    """
    mean, draw = LOSSES | changed, np.random.default_rng(0)
    made, jobs = bed("quest"), {}
    for job in made.jobs():
        loss = mean.get(job.settings["name"], 2.2) + SPREAD + step * ODD
        loss += 0.003 * draw.normal(size=len(SPREAD))
        result = {"loss": loss.tolist(), "halves": [loss.tolist(), loss.tolist()]}
        if job.settings["name"] == "float":
            result |= {"trivial": 2.4, "alignment": {"quest W1A1": loss.tolist()}}
        jobs[job.name] = job.settings, result
    return made_up(vars(made.params), jobs)


@pytest.mark.parametrize(
    ("changed", "verdict", "kind"),
    [
        ({}, "shown", ""),
        ({"lsq": 1.84}, "not shown", ""),
        ({"lsq": 1.85}, "underpowered", ""),
        ({"float": 2.5}, "bed refused", "competence"),
        ({"float": 1.95}, "bed refused", "headroom"),
        ({"lsq": 2.6}, "bed refused", "range"),
        ({"step": 0.1}, "bed refused", "noise"),
    ],
)
def test_the_verdict_and_each_gate(
    changed: dict[str, float],
    verdict: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Results, "bed", lambda *_: left(**changed))
    outcome = claim("quest").outcome(Results({}))
    assert outcome.verdict == verdict
    assert any(words.startswith(kind) for words in outcome.refused) == bool(kind)
    primary = outcome.primary.figure
    gap = changed.get("lsq", 1.95) - 1.85
    assert primary.value == pytest.approx(gap, abs=0.01)
    assert primary.n == 5


def test_what_is_trivial_is_the_entropy_of_pairs():
    text = Text(torch.tensor([0, 1] * 500), torch.tensor([0, 1] * 50), "")
    assert trivial(text) == pytest.approx(math.log((500 + 48) / 500.5), abs=1e-3)


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


def test_a_seed_of_lsq_learns_as_if_alone_in_a_stack_of_three():
    """Its steps too are a seed's own, where gradients are cut to a norm of 1."""
    text = read_text()
    three = Settings(**{**vars(SMALL), "seeds": (0, 1, 2), "rate": 0.03})
    alone = Settings(**{**vars(three), "seeds": (2,)})
    both = [train(Arm("lsq", 2), text, given) for given in (three, alone)]
    layers = [next(iter(network.between().values())) for network in both]
    assert torch.allclose(layers[0].steps[2], layers[1].steps[0], rtol=1e-3)


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
    small |= {
        "layers": 1,
        "context": 16,
        "block": 16,
        "windows": 8,
        "seeds": [0, 1, 2, 3],
    }
    arms = ["quest", "lsq", "no_trust"]
    ran = run("quest", tmp_path, monkeypatch, arms=arms, beside=[2], **small)
    few = [f"{name} W1A1" for name in arms]
    assert [job.name for job in ran.jobs] == ["float", *few, "quest W2A2", "lsq W2A2"]
    found = claims.measured(ran)
    assert set(found["float", 32]["alignment"]) == {"quest W1A1", "ste W1A1"}
    assert all(np.shape(result["halves"]) == (2, 4) for result in found.values())
    assert found["quest", 1]["onnx"] == pytest.approx(
        found["quest", 1]["torch"], abs=1e-6
    )
    outcome = claim("quest", n=4).outcome(results(tmp_path / "data"))
    assert {gate.kind for gate in outcome.gates} == set(GATES)
    names = [figure.name for figure in outcome.figures]
    assert len(set(names)) == len(names)
