"""Which methods made a variant differently, as its contracts say."""

from pathlib import Path
from typing import Any

import pytest

from tasks.compare.made_by import Change, changes, differences
from tasks.compare.page import compare
from tasks.compare.revision import collect
from tests.browser import text
from tests.compare.conftest import DATASET, Make, rewrite
from tests.study_files import SEEDS

FLOAT32, GPTQ4 = (DATASET, "bc", "float32"), (DATASET, "bc", "gptq4")
NAMES = ("main", "other")


def entry(method: str, params: str = "p", code: str = "c") -> dict[str, str]:
    return {"method": method, "params_sha256": params, "code_sha256": code}


def state(root: Path, variant: str, *entries: Any, **more: Any) -> None:
    """Put ``made_by`` into the contracts of a variant's files."""
    folder = root / "data/onnx" / DATASET / "bc" / variant
    for seed in SEEDS:
        rewrite(folder / f"seed-{seed}.json", made_by=list(entries), **more)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([entry("train.bc"), entry("compress.gptq4")], []),
        (
            [entry("train.bc", "other"), entry("compress.gptq4")],
            ["train.bc: parameters differ"],
        ),
        (
            [entry("train.bc"), entry("compress.gptq4", code="other")],
            ["compress.gptq4: code differs"],
        ),
        (
            [entry("train.bc", "other", "other"), entry("compress.gptq4")],
            ["train.bc: parameters and code differ"],
        ),
        (
            [entry("train.bc"), entry("compress.distill")],
            [
                "compress.gptq4: only in main",
                "compress.distill: only in other",
            ],
        ),
        (
            [entry("compress.gptq4"), entry("train.bc")],
            ["in another order, compress.gptq4, train.bc"],
        ),
        (
            [entry("train.bc"), entry("compress.gptq4"), entry("compress.gptq4", "q")],
            ["compress.gptq4 (2): only in other"],
        ),
        (None, ["not stated in other"]),
        ("train.bc", ["not stated in other"]),
        ([{"method": "train.bc"}], ["not stated in other"]),
    ],
)
def test_entries_are_compared_by_method(after: Any, said: list[str]):
    before = {"made_by": [entry("train.bc"), entry("compress.gptq4")]}
    stated = {} if after is None else {"made_by": after}
    assert differences(before, stated, NAMES) == said


def test_contracts_from_before_the_key_do_not_state_it():
    assert differences({}, {}, NAMES) == ["not stated in main and other"]


def test_each_difference_is_told_once_with_all_it_is_true_of(make: Make):
    one, other = make("main"), make("other")
    for source, params, code in ((one, "p", "c"), (other, "q", "d")):
        train = entry("train.bc", params)
        state(source.folder, "float32", train)
        state(source.folder, "gptq4", train, entry("compress.gptq4", code=code))
    assert changes(collect(one), collect(other)) == [
        Change("other", "train.bc: parameters differ", (FLOAT32, GPTQ4)),
        Change("other", "compress.gptq4: code differs", (GPTQ4,)),
    ]
    assert changes(collect(one), collect(one)) == []


def test_one_seed_is_enough(make: Make):
    one, other = make("main"), make("other")
    for source in (one, other):
        state(source.folder, "gptq4", entry("train.bc"))
        state(source.folder, "float32", entry("train.bc"))
    last = other.folder / "data/onnx" / Path(*GPTQ4) / f"seed-{SEEDS[-1]}.json"
    rewrite(last, made_by=[entry("train.bc", code="other")])
    assert changes(collect(one), collect(other)) == [
        Change("other", "train.bc: code differs", (GPTQ4,))
    ]


def test_page_and_summary_say_it_and_the_commit_is_gits(make: Make):
    one, other = make("main"), make("other")
    state(one.folder, "gptq4", entry("train.bc"), revision="f" * 40)
    state(other.folder, "gptq4", entry("train.bc", "q"), revision="f" * 40)
    outcome = compare([one, other])
    said = text(outcome.page)
    assert "other train.bc: parameters differ bc / gptq4" in said
    assert "other not stated in main and other bc / float32" in said
    assert "| other | train.bc: parameters differ | bc / gptq4 |" in outcome.summary
    assert "## Made differently" in outcome.summary
    assert "Beside the results, what differs: 1 method of policies." in said
    assert "a" * 40 in outcome.page  # of the source
    assert "f" * 10 not in outcome.page + outcome.summary


def test_nothing_is_said_where_all_is_stated_and_the_same(make: Make):
    both = make("main"), make("other")
    for source in both:
        for variant in ("float32", "gptq4"):
            state(source.folder, variant, entry("train.bc"))
    outcome = compare(both)
    assert "## Made differently" not in outcome.summary
    assert "as the contracts of the ONNX files say The same in all" in text(
        outcome.page
    )
