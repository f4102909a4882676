"""The page: what it says, that nothing in it loads, and how Chromium sees it."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.artifacts.errors import RefusedError
from tasks.compare import Missing, Source
from tasks.compare.page import Outcome, compare, letter
from tasks.report.cores.words import MINUS
from tests.browser import asked, chromium, in_chromium, text
from tests.compare.conftest import (
    DATASET,
    Make,
    network,
    put_network,
    rewrite,
    shift,
)
from tests.estimate_files import add_estimates
from tests.study_files import state_curves

GPTQ4 = f"{DATASET}/bc/gptq4"
Edited = Callable[..., Source]


@pytest.fixture
def edited(make: Make) -> Edited:
    """A revision with a planted change of score, and what else differs."""

    def made(name: str, points: float, **options: Any) -> Source:
        source = make(name, **options)
        shift(source.folder, GPTQ4, points)
        put_network(source.folder, GPTQ4, 0, network(5.0))
        params = source.folder / "params.yaml"
        params.write_text(params.read_text().replace("batch: 256", "batch: 64"))
        curves = source.folder / f"data/policies/{DATASET}/bc/curves.csv"
        curves.write_text(curves.read_text().replace("0,0,", "0,0,9"))
        state_curves(curves)
        return source

    return made


def test_it_opens_with_the_answer(make: Make, edited: Edited):
    outcome = compare([make("main"), edited("worse", -9), edited("better", 9)])
    said = text(outcome.page)
    assert said.index("worse is worse than main in 1 of 2 variants") < said.index(
        "Results"
    )
    assert "better is better than main in 1 of 2 variants" in said
    lost = f"{MINUS}9.0"
    assert f"Lost most: bc / gptq4 {lost} [{lost}, {lost}]." in said
    assert "Beside the results, what differs: 1 parameter." in said
    assert "study.batch 256 64 64" in said
    assert outcome.verdict.splitlines() == [
        "worse is worse than main in 1 of 2 variants: 1 REGRESSED, 1 HELD "
        "(1 identical)",
        "better is better than main in 1 of 2 variants: 1 IMPROVED, 1 HELD "
        "(1 identical)",
    ]


def test_everything_is_side_by_side(make: Make, edited: Edited):
    one, other = make("main"), edited("other", -9)
    rewrite(other.folder / f"data/datasets/{DATASET}-v0/card.json", sha256="other")
    drawn = compare([one, other]).page
    said = text(drawn)
    assert "layer0.weight moved by 400 % same same" in said
    assert drawn.count("Histogram of episode returns") == 2
    curves = re.search(r'<section id="learning">(.*?)</section>', drawn, re.DOTALL)
    assert curves
    assert 'class="stroke c0"' in curves[1]
    assert 'class="stroke c1"' in curves[1]
    assert "batch 256" in said  # latency
    assert "22.4" not in said
    assert "31.0 / 40.3" in said


def test_six_revisions_stand_in_one_table(make: Make, edited: Edited):
    others = [edited(f"branch-{number}", number - 3) for number in range(5)]
    outcome = compare([make("main"), *others])
    assert len(outcome.verdict.splitlines()) == 5
    page = outcome.page.replace("\n", " ")
    (results,) = re.findall(r'<table class="results many">.*?</table>', page)
    head, *rows = re.findall(r"<tr>.*?</tr>", results)
    assert head.count("<th") == 7
    assert [row.count("<td") for row in rows] == [6, 6]
    assert "<svg" not in rows[0]
    moved = f"{MINUS}3.0 [{MINUS}3.0, {MINUS}3.0]"
    assert f"REGRESSED {moved}" in text(results)
    (line,) = [x for x in outcome.summary.splitlines() if x.startswith("| bc / gptq4")]
    assert line.count("|") == 8


def test_size_and_error_stand_below_where_there_are_many(make: Make):
    one, *others = [make(name) for name in ("main", "b", "c", "d")]
    place = others[0].folder / "data/evaluations" / GPTQ4
    told = {"data": {"mean": 0.01, "max": 0.1}, "visited": {"mean": 0.0123, "max": 0.1}}
    rewrite(place / "metrics.json", action_error=told)
    put_network(others[1].folder, GPTQ4, 0, network(width=64))
    said = text(compare([one, *others]).page)
    assert re.search(r"bc / gptq4 .{0,60}action error 0\.0123, 0\.0664 in main", said)
    assert re.search(r"0\.0664 in main .{0,60} [\d.]+ kB, \d\.\d+x", said)


def test_what_lacks_for_one_reason_is_one_line(make: Make):
    why, command = "made on another machine", "make compare A=main B=other HERE=1"
    paths = (f"data/onnx/{GPTQ4}", f"data/evaluations/{GPTQ4}")
    gaps = tuple(Missing(path, why, command) for path in paths)
    other = dataclasses.replace(make("other"), missing=gaps)
    outcome = compare([make("main"), other])
    line = f"other: 2 outputs, {paths[0]} ...: {why}; {command}"
    assert outcome.missing == (line,)
    assert outcome.page.count(command) == outcome.summary.count(command) == 1
    assert "2 things are missing." in text(outcome.page)


def test_a_latency_of_another_file_is_not_shown(make: Make):
    one, other = make("main"), make("other")
    for source in (one, other):
        timed = source.folder / "data/profiles" / GPTQ4 / "latency.json"
        rewrite(timed, onnx_sha256="0" * 64)
    said = text(compare([one, other]).page)
    assert "31.0 / 40.3" not in said
    assert "22.4" not in said


def test_what_cannot_be_paired_and_what_is_missing_stand_there(make: Make):
    gap = Missing(
        f"data/evaluations/{GPTQ4}",
        "not in its dvc.lock",
        f"git checkout other && dvc repro evaluate@{DATASET}-bc-gptq4",
    )
    one = make("main")
    other = dataclasses.replace(make("other", learners=("bc", "iql")), missing=(gap,))
    outcome = compare([one, other])
    said = text(outcome.page)
    assert "1 thing is missing." in said
    assert gap.command in said
    assert "no evaluation of other to read bc / gptq4" in said
    assert "only in other: not in the study of main iql / float32, iql / gptq4" in said
    assert outcome.missing == (f"other: {gap.path}: {gap.why}; {gap.command}",)
    assert f"`{gap.command}`" in outcome.summary


def test_estimates_have_a_table_of_their_own(make: Make):
    both = [make("main"), make("other")]
    for source in both:
        metrics = source.folder / "data/evaluations" / GPTQ4 / "metrics.json"
        score = {"iqm": 77.7, "low": 70.1, "high": 80.2}
        rewrite(metrics, kind="estimate", method="fqe", score=score)
    outcome = compare(both)
    said = text(outcome.page)
    assert "Estimates No world was played" in said
    assert said.count("77.7 [70.1, 80.2]") == 2
    results = re.search(r'<table class="results">.*?</table>', outcome.page, re.DOTALL)
    assert results
    assert "gptq4" not in results[0]
    assert "77.7" in outcome.summary


def test_action_errors_stand_side_by_side(make: Make):
    a, b = make("main"), make("nearer")
    place = b.folder / "data/evaluations" / GPTQ4
    told = {"data": {"mean": 0.01, "max": 0.1}, "visited": {"mean": 0.0123, "max": 0.1}}
    rewrite(place / "metrics.json", action_error=told)
    said = text(compare([a, b]).page)
    assert re.search(r"bc / gptq4 .{0,60} same 0\.0123 0\.0664", said)
    assert re.search(r"bc / gptq4 .{0,60} same same", text(compare([a, a]).page))


def test_estimators_stand_in_the_same_table_and_judge_nothing(make: Make):
    both = [make("main"), make("other")]
    alone = compare(both)
    add_estimates(both[1].folder, DATASET, "bc")
    outcome = compare(both)
    assert outcome.verdict == alone.verdict
    assert not outcome.missing
    said = text(outcome.page)
    assert "bc / float32 fqe, discounted return — 4 321.5" in said
    for results in re.findall(
        r'<table class="results">.*?</table>', outcome.page, re.S
    ):
        assert "987.6" not in results
    assert "| bc / float32 | wis, discounted return | — | 987.6 |" in outcome.summary
    gone = both[1].folder / f"data/estimates/{DATASET}/bc/fqe/metrics.json"
    gone.unlink()
    (missing,) = compare(both).missing
    assert missing.endswith(f"dvc repro estimate@{DATASET}-bc-fqe")


def test_a_lock_that_is_older_is_a_warning(make: Make):
    other = make("other")
    params = other.folder / "params.yaml"
    params.write_text(params.read_text().replace("updates: 20000", "updates: 500"))
    outcome = compare([make("main"), other])
    said = text(outcome.page)
    assert said.index("other: dvc.lock is older than the revision.") < said.index(
        "Results Score"
    )
    warning = "other: dvc.lock is older than the revision; its numbers were not made "
    assert outcome.warnings == (f"{warning}with study.updates as there",)
    assert f"**Warning:** {warning}" in outcome.summary


def test_one_revision_is_refused(make: Make):
    with pytest.raises(RefusedError, match="at least two"):
        compare([make("main")])


def test_letters():
    assert [letter(n) for n in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]


EVIL = '<script>alert("1")'


def wicked(make: Make, **options: Any) -> Outcome:
    """A comparison where every name and text is an attack."""
    named = {"datasets": {f"d{EVIL}": "hopper"}, "learners": (f"l{EVIL}",), **options}
    one, other = make("main", **named), make("other", **named)
    gap = Missing(f"data/{EVIL}", f"why{EVIL}", f"`|{EVIL}")
    path = one.folder / "params.yaml"
    path.write_text(path.read_text() + f"'k{EVIL}': 'v{EVIL}'\n")
    return compare(
        [
            dataclasses.replace(one, name=f"a{EVIL}", subject=EVIL, missing=(gap,)),
            dataclasses.replace(other, name=f"b|{EVIL}"),
        ]
    )


def test_everything_is_escaped(make: Make):
    outcome = wicked(make)
    drawn = outcome.page
    assert drawn.count("<script>") == drawn.count("</script>") == 1
    assert "a&lt;script&gt;" in drawn
    assert 'aria-label="Results on d&lt;script&gt;alert(&#34;1&#34;)' in drawn
    assert "<script>" not in outcome.summary.replace(f"`'\\|{EVIL}`", "")
    rows = [x for x in outcome.summary.splitlines() if x.startswith("| l&lt;")]
    assert len(rows) == 2
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


def test_nothing_outside_is_named(make: Make, edited: Edited):
    drawn = compare([make("main"), edited("other", -9)]).page
    assert not re.search(r"https?:|//[\w-]+\.\w|url\(|@import|src=", drawn)
    assert "default-src 'none'" in drawn
    assert len(drawn) < 300_000


@in_chromium
def test_chromium_runs_it_and_asks_no_network(make: Make, tmp_path: Path):
    page = wicked(make).write(tmp_path / "out")
    log = tmp_path / "net.json"
    ran = chromium(tmp_path, page, f"--log-net-log={log}", "--dump-dom")
    assert 'data-ready="yes"' in ran.stdout, "the script did not reach its end"
    assert "CONSOLE" not in ran.stderr, ran.stderr
    assert ran.stdout.count("sortable") > 3
    assert asked(log) == []


@in_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 500])
def test_chromium_draws_it(
    make: Make, edited: Edited, tmp_path: Path, scheme: str, width: int
):
    outcome = compare([make("main"), edited("a-longer-name", -9), edited("b", 4)])
    shot = tmp_path / "shot.png"
    chromium(
        tmp_path,
        outcome.write(tmp_path / "out"),
        f"--window-size={width},1200",
        f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
        f"--screenshot={shot}",
    )
    pixels = np.asarray(Image.open(shot).convert("L"), dtype=float)
    paper = np.median(pixels)
    assert pixels.shape == (1200, width)
    assert paper > 240 if scheme == "light" else paper < 40
    inked = np.abs(pixels - paper) > 60
    assert 0.01 < inked.mean() < 0.3
    assert inked[:600].any(axis=1).mean() > 0.3
    assert not inked[:250, -8:].any(), "the answer reaches past the right edge"
