"""How the page stands on screens of two widths, and what it ranks and explains."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.artifacts.sealed import write_sealed
from tasks.report.cores.scatter import Point, scatter
from tests.browser import chromium, in_chromium, text
from tests.report.test_html import page

Make = Callable[..., Path]
Patch = pytest.MonkeyPatch
WIDE_SPACE = "\N{NARROW NO-BREAK SPACE}"
MEASURE = """<script>
addEventListener("load", () => {
  const box = (e) => e.getBoundingClientRect();
  const cut = [...document.querySelectorAll("td, th, .chip, h1, .headline")].filter(
    (e) => e.offsetWidth && box(e).right > innerWidth && e.closest("#summary, header"));
  const shown = [...document.querySelectorAll("#summary .rows tr")].map(
    (tr) => [...tr.querySelectorAll(".chip, [data-label=size]")].filter(
      (e) => e.offsetWidth && box(e).right <= innerWidth).length);
  const texts = [...document.querySelectorAll("#pareto svg text")].map(box);
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 &&
    a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const collide = texts.filter((a, i) => texts.slice(i + 1).some((b) => meet(a, b)));
  parent.postMessage([document.documentElement.scrollWidth, cut.length,
    Math.min(...shown), collide.length, texts.length], "*");
});</script></body>"""
FRAME = """<iframe src="page.html" style="border:0;height:900px;width:{}px"></iframe>
<p></p><script>addEventListener("message", (e) => {{
  document.querySelector("p").textContent = `measured ${{e.data}};`; }});</script>"""


@in_chromium
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_or_collides(
    make_study: Make, monkeypatch: Patch, tmp_path: Path, width: int
):
    """Policies, verdicts and sizes are in view, and no label lies on another."""
    drawn = page(make_study(), monkeypatch)
    (tmp_path / "page.html").write_text(drawn.replace("</body>", MEASURE))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width))
    ran = chromium(
        tmp_path, frame, f"--window-size={width + 50},950", "--dump-dom",
        "--virtual-time-budget=5000",
    )  # fmt: skip
    found = re.search(r"measured ([\d,]+);", ran.stdout)
    assert found
    wide, cut, shown, collide, texts = map(int, found[1].split(","))
    assert (wide, cut, shown, collide) == (width, 0, 2, 0)
    assert texts > 20


def test_latencies_of_a_busy_machine_are_grey_and_not_ranked(
    make_study: Make, monkeypatch: Patch
):
    root = make_study()
    quiet = page(root, monkeypatch)
    assert 'class="picture grey"' not in quiet
    assert "is not told apart" in quiet
    path = root / "data/profiles/hopper_mixed/bc/gptq4/latency.json"
    disturbed = json.loads(path.read_text())
    disturbed["batches"]["1"]["spread"] = 0.4
    write_sealed(path, disturbed)
    busy = page(root, monkeypatch)
    assert busy.count('class="picture grey"') == 1
    assert "nothing is ranked" in busy
    said = text(busy)
    assert "31.0 / 40.3 busy" in said
    assert "1 510 / 1 812 1.61x slower" in said.replace(WIDE_SPACE, " ")  # quiet there


def test_a_file_whose_parent_was_disturbed_is_not_called_busy_itself(
    make_study: Make, monkeypatch: Patch
):
    root = make_study()
    path = root / "data/profiles/hopper_mixed/bc/float32/latency.json"
    disturbed = json.loads(path.read_text())
    disturbed["batches"]["1"]["spread"] = 0.4
    write_sealed(path, disturbed)
    said = text(page(root, monkeypatch))
    assert "31.0 / 40.3 parent timed on a busy machine" in said


def test_calls_that_waited_make_all_latencies_of_a_file_busy(
    make_study: Make, monkeypatch: Patch
):
    """Rounds that agree may all be disturbed; their slowest calls tell."""
    root = make_study()
    path = root / "data/profiles/hopper_mixed/bc/gptq4/latency.json"
    disturbed = json.loads(path.read_text())
    disturbed["batches"]["256"]["p99_us"] *= 40
    write_sealed(path, disturbed)
    busy = page(root, monkeypatch)
    assert "31.0 / 40.3 busy" in text(busy)
    assert busy.count('class="picture grey"') == 1


def test_the_name_of_the_level_meets_no_whisker():
    ends = {"low": 0.0, "y": 5.0, "high": 10.0}
    at = [
        Point(f"{x}", "a", "", "", x=x, colour=0, shape=0, **ends) for x in (1.0, 1.1)
    ]
    drawn = scatter([*at, replace(at[0], x=9.0)], None, "", "kB", ("the mean", 5.0))
    note = re.search(r'x="([\d.]+)" y="[\d.]+" class="note label"', drawn)
    assert note
    whiskers = re.findall(r'<line x1="([\d.]+)"[^>]*class="whisker"', drawn)
    left, right = float(note[1]), float(note[1]) + 7 * len("the mean")
    assert len(whiskers) == 3
    assert not any(left < float(x) < right for x in whiskers)


def test_sizes_nearer_than_a_hundredth_are_not_ranked(
    make_study: Make, monkeypatch: Patch
):
    root = make_study(learners=("td3_bc", "iql"), variants=("float32", "distill"))
    path = root / "data/profiles/hopper_mixed/iql/distill/static.json"
    sized = json.loads(path.read_text())
    sized["bytes"] -= 3
    write_sealed(path, sized)
    drawn = page(root, monkeypatch)
    front = re.search(r'<ol class="best">(.*?)</ol>', drawn, re.DOTALL)
    assert front
    assert text(front[1]) == "td3_bc / distill 62.9 at 22.6 kB"


def test_files_of_one_network_are_not_ranked_apart(
    make_study: Make, monkeypatch: Patch
):
    """One is 4 % faster by chance, which no front may show."""
    root = make_study(learners=("td3_bc", "iql"), variants=("float32", "distill"))
    path = root / "data/profiles/hopper_mixed/iql/distill/latency.json"
    timed = json.loads(path.read_text())
    timed["batches"]["1"]["p50_us"] *= 0.96
    write_sealed(path, timed)
    drawn = page(root, monkeypatch)
    latency = drawn[drawn.index("Score against latency") :]
    front = re.search(r'<ol class="best">(.*?)</ol>', latency, re.DOTALL)
    assert front
    assert text(front[1]) == "td3_bc / distill 62.9 at 9.1 µs"


def test_a_verdict_says_what_it_means(make_study: Make, monkeypatch: Patch):
    drawn = page(make_study(learners=("td3_bc",)), monkeypatch)
    assert 'data-tip="REGRESSED: worse by more than the margin\nmargin 3.1"' in drawn
    legend = re.search(r'<dl class="verdicts">(.*?)</dl>', drawn, re.DOTALL)
    assert legend
    assert "HELD not worse by more than the margin" in text(legend[1])
    assert "SUSPECT" not in legend[1]  # of which there is none
