"""Verdicts on planted differences, and every reason not to give one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.compare.pair import estimates, rules, versus
from tasks.compare.revision import Revision, collect
from tests.compare.conftest import (
    DATASET,
    Make,
    network,
    put_network,
    rewrite,
    shift,
)
from tests.study_files import replace_table

Revisions = Callable[..., tuple[Revision, Revision]]
GPTQ4 = f"{DATASET}/bc/gptq4"
KEY = (DATASET, "bc", "gptq4")


def edit_episodes(folder: Path, **columns: Any) -> None:
    place = folder / "data/evaluations" / GPTQ4
    table = Episodes.read(place / "episodes.parquet")
    changed = {k: f(getattr(table, k)) for k, f in columns.items()}
    replace_table(place, Episodes(**{**vars(table), **changed}))


def test_unchanged_is_held_and_identical(revisions: Revisions):
    a, b = revisions(lambda _: None)
    found = versus(a, b, rules(a))
    assert [p.verdict.word for p in found.pairs] == ["HELD", "HELD"]
    assert all(p.identical and not p.notes for p in found.pairs)
    assert all(p.verdict.difference == 0 for p in found.pairs)
    assert found.unpaired == ()


@pytest.mark.parametrize(
    ("points", "word"), [(-12.0, "REGRESSED"), (12.0, "IMPROVED"), (-0.5, "HELD")]
)
def test_a_planted_difference_is_found(revisions: Revisions, points: float, word: str):
    a, b = revisions(lambda folder: shift(folder, GPTQ4, points))
    found = versus(a, b, rules(a))
    pair = found.pair(KEY)
    assert pair
    assert pair.verdict.word == word
    assert pair.verdict.difference == pytest.approx(points)
    assert pair.verdict.low == pytest.approx(points)  # every episode moved alike
    assert pair.after.mean == pytest.approx(pair.before.mean + points)
    assert pair.after.iqm == pytest.approx(pair.before.iqm + points)
    assert not pair.identical
    held = found.pair((DATASET, "bc", "float32"))
    assert held
    assert held.identical


def test_figures_equal_a_computation_by_hand(revisions: Revisions):
    noise = np.random.default_rng(0).normal(-100, 400, 150)
    a, b = revisions(
        lambda folder: edit_episodes(folder, returns=lambda values: values + noise)
    )
    pair = versus(a, b, rules(a)).pair(KEY)
    assert pair
    assert pair.verdict.difference == pytest.approx(100 * noise.mean() / 2600)
    mean = a.results[KEY].played.returns.mean()
    assert pair.before.mean == pytest.approx(100 * (mean - 18) / 2600)
    assert pair.verdict.margin == pytest.approx(5 * (mean - 18) / 2600)


def test_one_bad_seed_is_named(revisions: Revisions):
    move = np.repeat([300.0, 0.0, -1000.0], 50)
    a, b = revisions(
        lambda folder: edit_episodes(folder, returns=lambda values: values + move)
    )
    pair = versus(a, b, rules(a)).pair(KEY)
    assert pair
    assert "seed 2 regressed" in pair.notes


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (
            {"start_seed": lambda starts: starts + 100},
            "other start seeds: 0 to 49 and 100 to 149",
        ),
        ({"seed": lambda seeds: seeds + 7}, "other training seeds: 0 to 2 and 7 to 9"),
    ],
)
def test_other_seeds_cannot_be_paired(
    revisions: Revisions, columns: dict[str, Any], reason: str
):
    a, b = revisions(lambda folder: edit_episodes(folder, **columns))
    found = versus(a, b, rules(a))
    assert [(u.key, u.reason) for u in found.unpaired] == [(KEY, reason)]
    assert [p.key for p in found.pairs] == [(DATASET, "bc", "float32")]


def test_fewer_episodes_cannot_be_paired(revisions: Revisions):
    def fewer(folder: Path) -> None:
        place = folder / "data/evaluations" / GPTQ4
        table = Episodes.read(place / "episodes.parquet")
        kept = table.episode < 20
        columns = {k: v[kept] for k, v in vars(table).items()}
        replace_table(place, Episodes(**columns))

    a, b = revisions(fewer)
    reasons = [u.reason for u in versus(a, b, rules(a)).unpaired]
    assert reasons == ["other start seeds: 0 to 49 and 0 to 19"]


def edit_world(folder: Path, **changed: Any) -> None:
    path = folder / f"data/datasets/{DATASET}-v0/world.json"
    world = json.loads(path.read_text())["world"]
    rewrite(path, world={**world, **changed})


def test_another_world_cannot_be_paired(revisions: Revisions):
    a, b = revisions(lambda folder: edit_world(folder, max_steps=500))
    found = versus(a, b, rules(a))
    assert found.pairs == ()
    assert {u.reason for u in found.unpaired} == {
        "another world: max_steps None and 500"
    }


def test_other_references_are_the_same_world_and_the_baselines_count(
    revisions: Revisions,
):
    a, b = revisions(
        lambda folder: edit_world(folder, ref_max=9000.0, measured="again")
    )
    pairs = versus(a, b, rules(a)).pairs
    assert [p.verdict.word for p in pairs] == ["HELD", "HELD"]
    assert all(p.after == p.before for p in pairs)


def test_what_one_side_lacks_is_listed(make: Make):
    a = collect(make("main"))
    b = collect(make("other", learners=("iql",), variants=("float32", "distill")))
    reasons = {u.key[1:]: u.reason for u in versus(a, b, rules(a)).unpaired}
    assert reasons == {
        ("bc", "float32"): "only in main: not in the study of other",
        ("bc", "gptq4"): "only in main: not in the study of other",
        ("iql", "float32"): "only in other: not in the study of main",
        ("iql", "distill"): "only in other: not in the study of main",
    }


def test_a_missing_evaluation_is_a_reason(revisions: Revisions):
    a, b = revisions(
        lambda folder: (
            folder / "data/evaluations" / GPTQ4 / "episodes.parquet"
        ).unlink()
    )
    reasons = [u.reason for u in versus(a, b, rules(a)).unpaired]
    assert reasons == ["no evaluation of other to read"]
    assert [gap.path for gap in b.gaps] == [f"data/evaluations/{GPTQ4}"]


def test_estimates_are_never_judged(revisions: Revisions):
    def estimate(folder: Path) -> None:
        place = folder / "data/evaluations" / GPTQ4
        rewrite(place / "metrics.json", kind="estimate", method="fqe")
        (place / "episodes.parquet").unlink()

    a, b = revisions(estimate)
    found = versus(a, b, rules(a))
    reasons = [u.reason for u in found.unpaired]
    assert reasons == ["an estimate in other, real returns in main"]
    (one,) = estimates((a, b))
    assert one.key == KEY
    assert one.values[0] is None
    assert one.values[1]
    assert one.methods == ("fqe",)
    both = versus(b, b, rules(b))
    assert [p.key[2] for p in both.pairs] == ["float32"]
    assert both.unpaired == ()


def test_what_a_reader_should_know_is_noted(revisions: Revisions):
    def edit(folder: Path) -> None:
        shift(folder, GPTQ4, -1)
        put_network(folder, f"{DATASET}/bc/float32", 0, network(9))
        rewrite(folder / "data/evaluations" / GPTQ4 / "metrics.json", mode="native")
        for path in (folder / "data/onnx" / GPTQ4).glob("*.json"):
            rewrite(path, dataset={"name": DATASET, "sha256": "other"})

    a, b = revisions(edit)
    notes = {p.key[2]: p.notes for p in versus(a, b, rules(a)).pairs}
    assert notes["float32"] == ("other ONNX files, same episodes",)
    assert notes["gptq4"] == (
        "same ONNX files, other episodes: evaluation or machine changed",
        "made from other data",
        "run in mode native instead of exact",
    )


def test_the_rules_are_the_baselines_and_checked(make: Make):
    source = make("main")
    text = (source.folder / "params.yaml").read_text()
    (source.folder / "params.yaml").write_text(
        text.replace("margin: 0.05", "margin: 7")
    )
    with pytest.raises(RefusedError, match=r"evaluate\.returns\.margin"):
        rules(collect(source))
