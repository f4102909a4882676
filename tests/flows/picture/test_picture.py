"""The picture of the graph: what is in it, where it stands, and that it is today's."""

import re
from html import unescape
from pathlib import Path

import pytest

from flows.draw import PICTURE
from flows.picture.drawing import WIDE, drawn
from flows.picture.groups import Node, graph, meet
from flows.picture.layers import placed, rows
from tasks.artifacts.strict_yaml import read_yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def nodes() -> dict[str, Node]:
    return {node.name: node for node in graph(ROOT)}


def test_the_picture_in_docs_is_of_this_graph(nodes: dict[str, Node]):
    assert (ROOT / PICTURE).read_text() == drawn([*nodes.values()]), "run: make graph"


def test_every_group_has_a_box_that_holds_its_purpose(nodes: dict[str, Node]):
    stages = read_yaml(ROOT / "dvc.yaml")["stages"].keys() - {"code"}
    assert {name for name in nodes if "/" not in name} == stages
    said = re.findall(r"<text[^>]*>([^<]*)</text>", drawn([*nodes.values()]))
    said = [unescape(text) for text in said]
    for node in nodes.values():
        shown = [node.name, node.purpose] if node.purpose else [f"{node.name}/"]
        assert all(said.count(text) == 1 for text in shown), node.name
        assert len(node.purpose) < WIDE / 5, f"dvc.yaml: desc of {node.name}"


def test_lines_lead_from_what_is_read(nodes: dict[str, Node]):
    reads = {name: set(node.reads) for name, node in nodes.items()}
    makers = {"generate", "import", "corrupt", "attack", "collect"}
    assert reads["data/datasets"] == makers
    assert reads["train"] == {"data/datasets", "measure"}
    assert reads["compress"] == {"data/policies"}  # datasets follow
    assert reads["evaluate"] == {"data/onnx"}
    assert reads["claim"] == {"report", "bed"}
    loops = {name for name, node in nodes.items() if node.loop}
    assert loops == {"corrupt", "attack", "cut", "chain", "learn_tuned"}
    before: set[str] = set()
    for name, above in reads.items():
        assert above <= before, name
        before.add(name)


def test_blue_is_what_the_default_study_runs(nodes: dict[str, Node]):
    lock = read_yaml(ROOT / "dvc.lock")["stages"]
    ran = {name.partition("@")[0] for name in lock} - {"code"}
    blue = {name for name, node in nodes.items() if node.default and node.purpose}
    assert blue == ran


@pytest.mark.parametrize(
    ("dep", "out", "met"),
    [
        ("data/datasets/${item.dataset}-v0", "data/datasets/${key}-v0", True),
        ("data/datasets", "data/datasets/${key}-v0", True),
        ("data/datasets/${item.a}-v0/world.json", "data/datasets/${key}-v0", True),
        ("data/onnx/${item.a}/float32", "data/onnx/${item.b}/${item.c}-${x}", False),
        ("data/onnx/${item.a}/float32", "data/onnx/${item.b}/${item.c}", True),
        ("data/weights", "data/qdc/${item.dataset}", False),
        ("data/sources/${key}", "data/datasets/${key}-v0", False),
    ],
)
def test_paths_meet_where_some_name_makes_them_one(dep: str, out: str, met: bool):
    assert meet(dep, out) is met


def test_boxes_of_a_row_do_not_touch(nodes: dict[str, Node]):
    reads = {name: node.reads for name, node in nodes.items()}
    middle, lines = placed(reads, dict.fromkeys(reads, 212.0), 16.0)
    row = rows(reads)
    for one in reads:
        for other in reads:
            if one < other and row[one] == row[other]:
                assert (
                    abs(middle[one, row[one]] - middle[other, row[other]]) >= 227
                )  # rounded
    for line in lines:
        assert [r for _, r in line] == [*range(line[0][1], line[-1][1] + 1)]


def test_it_has_colours_for_light_and_dark_and_asks_for_nothing(nodes: dict[str, Node]):
    text = drawn([*nodes.values()])
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(#tip)" in text
    assert len(text) < 20_000
