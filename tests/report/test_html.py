"""The page: what it says, that nothing in it loads, and how Chromium sees it."""

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import read_evaluation
from tasks.artifacts.sealed import write_sealed
from tasks.report.__main__ import main
from tasks.report.html import HtmlParams
from tests.browser import asked, chromium, in_chromium, text
from tests.study_files import replace_table

Make = Callable[..., Path]
Patch = pytest.MonkeyPatch
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"


def page(root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["report"])
    main()
    return (root / "data/report/index.html").read_text(encoding="utf-8")


def test_the_answer_is_the_smallest_that_held(make_study: Make, monkeypatch: Patch):
    said = text(page(make_study(), monkeypatch))
    assert "Ship td3_bc / distill-int8_static: 62 [57, 66] of 100 at 9.8 kB" in said
    assert "0.03x of its float32, HELD" in said
    assert "held against its own parent" in said
    assert "is of the best learner" in said
    file = "data/onnx/hopper_mixed/td3_bc/distill-int8_static/seed-"
    assert re.search(rf"{file}[012].onnx python -m tasks.evaluate", said)
    assert f"beats the data{APOSTROPHE}s own mean return, 30.6" in said


def test_compression_says_what_was_calibrated_on_what(
    make_study: Make, monkeypatch: Patch
):
    said = text(page(make_study(learners=("bc",)), monkeypatch))
    assert "l0 0.789" in said  # 0.71 %, 0.789 % and 0.868 % over the seeds
    assert "another network: no layer to compare with" in said
    assert "rows of hopper_mixed: observations drawn evenly from all episodes" in said


def test_where_nothing_held_it_says_so(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("td3_bc",), variants=("float32", "gptq4"))
    said = text(page(root, monkeypatch))
    assert "No compressed variant held against its parent and td3_bc / float32" in said
    assert "Against their parents: 1 REGRESSED" in said
    assert "bc not part of this study" in said


def test_where_no_learner_beats_the_data_it_says_so(
    make_study: Make, monkeypatch: Patch
):
    root = make_study(learners=("bc",), variants=("float32",))
    card = root / "data/datasets/hopper_mixed-v0/card.json"
    document = json.loads(card.read_text())
    document["return"]["mean"] = 2000.0
    write_sealed(card, document)
    assert f"No learner beats the data{APOSTROPHE}s own mean return" in text(
        page(root, monkeypatch)
    )


def test_learners_that_are_undertrained_are_named(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc", "iql"), variants=("float32",))
    path = root / "data/policies/hopper_mixed/iql/policy.json"
    document = json.loads(path.read_text())
    horizon = {"share": 0.3, "value": 20.0, "data_value": 100.0}
    write_sealed(path, {**document, "origin": {"horizon": horizon}})
    assert "UNDERTRAINED: iql." in text(page(root, monkeypatch))
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["study"]["undertrained"] = True  # and meant to be
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    assert "UNDERTRAINED: iql." not in text(page(root, monkeypatch))
    params["study"]["undertrained"] = False
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    known = {**horizon, "value": 80.0}
    write_sealed(path, {**document, "origin": {"horizon": known}})
    assert "UNDERTRAINED: iql." not in text(page(root, monkeypatch))


def test_a_parent_that_falls_is_called_brittle(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32", "gptq4"))
    place = root / "data/evaluations/hopper_mixed/bc/float32"
    table = read_evaluation(place, "dvc repro")[0]
    lengths = (table.returns - table.returns.min()).astype(int) + 1
    replace_table(place, dataclasses.replace(table, length=lengths))
    said = text(page(root, monkeypatch))
    assert "1 BRITTLE PARENT" in said
    assert "Parents fall" in said


def test_slower_and_faster_stand_in_words(make_study: Make, monkeypatch: Patch):
    said = text(page(make_study(), monkeypatch))
    assert "22.4 / 29.1 1.38x slower" in said  # int8 at batch 1
    assert "410 / 492 2.29x faster" in said  # and at batch 256


def test_a_parent_timed_elsewhere_is_not_compared(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32", "int8_static"))
    path = root / "data/profiles/hopper_mixed/bc/float32/latency.json"
    write_sealed(path, json.loads(path.read_text().replace("Some CPU", "Another CPU")))
    said = text(page(root, monkeypatch))
    assert said.count("parent timed elsewhere") >= 2
    assert "x slower" not in said


def test_missing_latency_is_said_with_its_command(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32", "int8_static"))
    (root / "data/profiles/hopper_mixed/bc/int8_static/latency.json").unlink()
    said = text(page(root, monkeypatch))
    assert "Latency is missing for 1 of 2 variants" in said
    assert "python -m tasks.profile --dataset hopper_mixed --learner bc" in said
    assert "not timed" in said
    for path in root.rglob("latency.json"):
        path.unlink()
    assert "No latency was measured" in text(page(root, monkeypatch))


def test_a_latency_of_another_file_is_missing(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32", "int8_static"))
    path = root / "data/profiles/hopper_mixed/bc/int8_static/latency.json"
    write_sealed(path, {**json.loads(path.read_text()), "onnx_sha256": "0" * 64})
    said = text(page(root, monkeypatch))
    assert "Latency is missing for 1 of 2 variants" in said


def test_the_confidence_is_the_one_computed_with(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32",))
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["evaluate"]["returns"]["confidence"] = 0.9
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    said = text(page(root, monkeypatch))
    assert "over episodes, 90 % interval" in said
    assert "95 %" not in said


def test_a_missing_environment_is_said(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32",))
    (root / "environment.json").unlink()
    assert "environment.json is missing" in text(page(root, monkeypatch))


def test_worlds_never_share_a_raw_axis(make_study: Make, monkeypatch: Patch):
    root = make_study({"a": "hopper", "b": "pendulum"}, learners=("bc",))
    drawn = page(root, monkeypatch)
    assert drawn.count('class="picture"') == 2 * 3  # two scatters, one histogram each
    assert drawn.count('<table class="results cards">') == 2
    assert drawn.count('<div class="answer">') == 2


def test_everything_is_escaped(make_study: Make, monkeypatch: Patch):
    evil = '<script>alert("1")'
    root = make_study({f"d{evil}": "hopper"}, learners=(f"l{evil}",))
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["study"]["title"] = '</title><img src="x" onerror="alert(2)">'
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    drawn = page(root, monkeypatch)
    assert drawn.count("<script>") == drawn.count("</script>") == 1
    assert "<img" not in drawn
    assert "d&lt;script&gt;" in drawn
    assert 'aria-label="Results on d&lt;script&gt;alert(&#34;1&#34;)' in drawn


def test_nothing_outside_is_named(make_study: Make, monkeypatch: Patch):
    drawn = page(make_study(), monkeypatch)
    assert not re.search(r"https?:|//[\w-]+\.\w|url\(|@import|src=", drawn)
    assert "default-src 'none'" in drawn
    assert len(drawn) < 400_000


def test_hash_digits_have_a_range():
    with pytest.raises(RefusedError, match=r"\[8, 64\]"):
        HtmlParams(hash_digits=4, film=0)
    with pytest.raises(RefusedError, match=r"\[0, 60\]"):
        HtmlParams(hash_digits=8, film=61)


@in_chromium
def test_chromium_runs_it_and_asks_no_network(
    make_study: Make, monkeypatch: Patch, tmp_path: Path
):
    evil = "b<script>alert(1)"
    root = make_study({"a": "hopper", evil: "pendulum"}, learners=("bc", "iql"))
    page(root, monkeypatch)
    log = tmp_path / "net.json"
    file = root / "data/report/index.html"
    ran = chromium(tmp_path, file, f"--log-net-log={log}", "--dump-dom")
    assert 'data-ready="yes"' in ran.stdout, "the script did not reach its end"
    assert "CONSOLE" not in ran.stderr, ran.stderr
    rows = re.search(r'<tbody class="rows">(.*?)</tbody>', ran.stdout, re.DOTALL)
    assert rows
    assert rows[1].count("<tr ") == 12
    assert ran.stdout.count('class="n sortable"') >= 10
    assert asked(log) == []


@in_chromium
def test_a_request_would_be_seen(tmp_path: Path):
    file = tmp_path / "bad.html"
    file.write_text('<img src="http://127.0.0.1:9/a.png">')
    log = tmp_path / "net.json"
    chromium(tmp_path, file, f"--log-net-log={log}", "--dump-dom")
    assert asked(log) == ["http://127.0.0.1:9/a.png"]


@in_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 500])
def test_chromium_draws_it(
    make_study: Make, monkeypatch: Patch, tmp_path: Path, scheme: str, width: int
):
    root = make_study(learners=("bc", "td3_bc"), variants=("float32", "gptq4"))
    page(root, monkeypatch)
    shot = tmp_path / "shot.png"
    chromium(
        tmp_path,
        root / "data/report/index.html",
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
    assert inked[:600].any(axis=1).mean() > 0.3  # rows with text, not one dark block
    assert not inked[:250, -8:].any(), "the answer reaches past the right edge"
