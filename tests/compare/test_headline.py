"""The sentence that opens the page."""

from collections import Counter

import pytest

from tasks.compare.headline import headline, named, summed_up
from tasks.compare.pair import rules, versus
from tasks.compare.revision import collect
from tests.compare.conftest import DATASET, Make, shift


@pytest.mark.parametrize(
    ("seen", "mood", "statement"),
    [
        ({"REGRESSED": 1, "HELD": 2}, "bad", "is worse than main in 1 of 3 variants"),
        ({"REGRESSED": 1}, "bad", "is worse than main in 1 of 1 variant"),
        (
            {"REGRESSED": 1, "IMPROVED": 2, "SUSPECT": 9},
            "mixed",
            "is worse than main in 1 and better in 2 of 12 variants",
        ),
        (
            {"SUSPECT": 1, "IMPROVED": 1},
            "open",
            "may be worse than main in 1 of 2 variants",
        ),
        (
            {"UNDERPOWERED": 1, "HELD": 1},
            "open",
            "cannot be told from main in 1 of 2 variants",
        ),
        ({"IMPROVED": 2}, "good", "is better than main in 2 of 2 variants"),
        ({"HELD": 3}, "held", "holds against main in all 3 variants"),
        ({"HELD": 1}, "held", "holds against main"),
        ({}, "none", "cannot be compared with main: no variant could be paired"),
    ],
)
def test_the_statement(seen: dict[str, int], mood: str, statement: str):
    assert summed_up("main", Counter(seen), identical=False) == (mood, statement)


def test_identical_is_said():
    held = Counter({"HELD": 2})
    assert (
        summed_up("main", held, identical=True)[1]
        == "is identical to main, byte for byte"
    )


def test_the_sentence_counts_everything(make: Make):
    a = collect(make("main", variants=("float32", "gptq4", "distill")))
    source = make("other", learners=("bc", "iql"))
    shift(source.folder, f"{DATASET}/bc/gptq4", -9)
    found = headline("main", versus(a, collect(source), rules(a)))
    assert found.sentence == (
        "other is worse than main in 1 of 2 variants: 1 REGRESSED, 1 HELD "
        "(1 identical); 3 not paired"
    )
    assert [pair.key[2] for pair in found.worst] == ["gptq4"]
    assert found.best == ()


def test_names_are_short_where_they_can_be():
    assert named(("data", "bc", "float32"), alone=True) == "bc / float32"
    assert named(("data", "bc", "float32"), alone=False) == "data / bc / float32"
