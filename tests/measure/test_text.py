"""Corpora from the grammar: known answers, known collapse."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.measure.__main__ import main
from tasks.measure.qdc_metrics import corpora, corpus, text
from tasks.measure.qdc_metrics.corpus import Record, collapsed, gold, noisy, problem
from tasks.measure.qdc_metrics.expressions import parse
from tasks.measure.qdc_metrics.figures import Bootstrap
from tasks.statistics.composition import compose
from tests.measure import qdc_files as files

MAKERS = {"gold": gold, "noisy": noisy(0.3), "collapsed": collapsed}


def made(name: str, count: int = 300) -> list[Record]:
    return MAKERS[name](count, np.random.default_rng(5))


def boot(n: int) -> Bootstrap:
    return Bootstrap(n, 100, 0.95, 0)


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    return corpora.measure({name: made(name) for name in MAKERS}, files.params())


def value(told: Any, name: str, letter: str, figure: str) -> Any:
    return told[name][letter][figure]["value"]


def test_no_maker_uses_what_is_held_out():
    for name in MAKERS:
        for record in made(name, 2000):
            assert record.attributes["template"] not in corpus.HELD_OUT
            assert parse(record.response).depth < corpus.HELD_OUT_DEPTH  # type: ignore[union-attr]
            for template in corpus.HELD_OUT.values():
                assert template.begin.split("{")[0] not in record.prompt
    assert not set(corpus.HELD_OUT) & set(corpus.TEMPLATES)
    draw = np.random.default_rng(0)
    hard = problem("riddle", "coins", 9, corpus.HELD_OUT_DEPTH, draw)
    assert parse(hard.response).depth == 4  # type: ignore[union-attr]


def test_gold_is_right_and_noisy_wrong_as_often_as_asked(told: Any):
    assert value(told, "gold", "quality", "accuracy") == 1
    assert value(told, "collapsed", "quality", "accuracy") == 1
    noise = told["noisy"]["quality"]["accuracy"]
    assert noise["low"] < 0.7 < noise["high"]
    assert value(told, "noisy", "quality", "consistent") == noise["value"]
    assert value(told, "noisy", "quality", "well_formed") == 1


def test_collapse_shows_in_diversity_and_not_in_quality(told: Any):
    for name in ("vendi", "distinct_2", "distinct_4", "type_token", "attributes"):
        good = value(told, "gold", "diversity", name)
        assert value(told, "collapsed", "diversity", name) < good, name
    for name in ("self_bleu", "redundancy"):
        good = value(told, "gold", "diversity", name)
        assert value(told, "collapsed", "diversity", name) > good, name
    by_name = {one.name: one for one in compose(told, "here")}
    assert (
        by_name["collapsed"].letters["diversity"]
        < by_name["gold"].letters[  # type: ignore[operator]
            "diversity"
        ]
    )
    assert not by_name["noisy"].front or by_name["gold"].front


def test_complexity_is_that_of_the_problems(told: Any):
    assert value(told, "collapsed", "complexity", "depth") == 1
    assert 1.5 < value(told, "gold", "complexity", "depth") < 2.5
    assert value(told, "gold", "complexity", "ifd") is None
    assert value(told, "gold", "quality", "perplexity") is None


def test_three_figures_a_letter_from_different_families(told: Any):
    for letter, least in (("quality", 2), ("diversity", 3), ("complexity", 2)):
        known = {
            name: one
            for name, one in told["gold"][letter].items()
            if one["value"] is not None
        }
        assert len(known) >= 3, letter
        assert len({one["family"] for one in known.values()}) >= least, letter
        for name, one in known.items():
            assert one["low"] <= one["value"] <= one["high"], name
            assert (one["seed"], one["n"] > 0) == (0, True), name


def test_a_reward_model_s_scores_and_verdicts_are_taken_from_records():
    records = [
        Record("p", "7 = 7", verdict=k % 2 == 0, reward=float(k)) for k in range(10)
    ]
    found = text.quality(records, boot(10))
    assert (found["accuracy"].value, found["reward"].value) == (0.5, 4.5)
    none = text.quality([Record("p", "7 = 7")] * 10, boot(10))
    assert none["accuracy"].value is None


def test_corpora_have_equal_records_and_tokens():
    corpora = {"long": made("gold", 200), "short": made("collapsed", 50)}
    told = corpora.measure(corpora, files.params())
    assert told["long"]["episodes"] == told["short"]["episodes"] == 50
    assert told["long"]["steps"] == told["short"]["steps"]
    for name in ("distinct_1", "distinct_3"):
        sizes = [one["diversity"][name]["n"] for one in told.values()]
        assert abs(sizes[0] - sizes[1]) <= 3 * 50  # ends of records have no n-gram


def test_distinct_n_by_hand():
    words = [["a", "b", "a"], ["a", "b"]]
    assert text.distinct(words, 1, boot(2)).value == pytest.approx(2 / 5)
    assert text.distinct(words, 2, boot(2)).value == pytest.approx(2 / 3)
    assert text.distinct([["a"]], 2, boot(1)).value is None
    assert text.within([["a"] * 5, ["b"] * 5, ["c"]], 7) == [["a"] * 5, ["b"] * 2]


def test_self_bleu_by_hand():
    same = [list("abcdef")] * 4
    assert text.self_bleu(same) == pytest.approx([1] * 4)
    one, other = text.self_bleu([list("abcd"), list("abxy")])
    # orders 1 to 4 of 4, 3, 2, 1 grams, of which 2, 1, 0, 0 match; plus one each
    by_hand = (3 / 5 * 2 / 4 * 1 / 3 * 1 / 2) ** 0.25
    assert one == other == pytest.approx(by_hand)


def test_tfidf_kernel():
    kernel = text.tfidf([["a", "b"], ["a", "b"], ["x", "y"]])
    np.testing.assert_allclose(kernel, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("response", "found"),
    [
        ("((7 + 5) * 2) = 24", (24, 24, 2, 2)),
        ("(3 - 9) = -6", (-6, -6, 1, 1)),
        ("7 = 8", (7, 8, 0, 0)),
        ("(1 + (2 * 3)) = 7", (7, 7, 2, 2)),
    ],
)
def test_expressions_are_read(response: str, found: tuple[int, ...]):
    parsed = parse(response)
    assert parsed is not None
    assert tuple(vars(parsed).values()) == found


@pytest.mark.parametrize(
    "response",
    ["", "24", "1 + 2 = 3", "(1 + 2) =", "(1 / 2) = 0", "(1 + 2) = 3 4", "(((",
     "__import__('os')", "(" * 5000 + "1", "(1 = 2) = 3"],
)  # fmt: skip
def test_what_is_no_expression_does_not_parse(response: str):
    assert parse(response) is None


def test_empty_responses_and_small_corpora_are_refused():
    good = made("gold", 12)
    bad = [*good, Record("p", "  ")]
    with pytest.raises(RefusedError, match="record 12, response: found an empty"):
        corpora.measure({"x": bad}, files.params())
    with pytest.raises(RefusedError, match="records: found 9"):
        corpora.measure({"x": good[:9]}, files.params())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: found"),
        ("[1]", "line 1: found"),
        ('{"prompt": "p"}', "line 1, response: found nothing"),
        ('{"prompt": 1, "response": "r"}', "line 1, prompt: found 1, expected str"),
        ('{"prompt": "p", "response": "r", "answer": true}', "answer: found True"),
        ('{"prompt": "p", "response": "r", "speed": 1}', "speed: found an unknown"),
    ],
)
def test_lines_that_are_no_records_are_refused(tmp_path: Path, line: str, said: str):
    path = tmp_path / "x.jsonl"
    path.write_text(line)
    with pytest.raises(RefusedError, match=said):
        corpora.read(path)
    with pytest.raises(RefusedError, match="name another file"):
        corpora.read(tmp_path / "none")


def test_the_command_measures_files_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    text = (files.HERE / "params/measure/qdc_metrics.yaml").read_text()
    block = yaml.safe_load(text) | files.SMALL
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({"report": {"qdc_metrics": block}})
    )
    for name in MAKERS:
        lines = [
            json.dumps({k: v for k, v in vars(r).items() if v is not None})
            for r in made(name, 40)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    paths = [f"{name}.jsonl" for name in MAKERS]
    monkeypatch.setattr(sys, "argv", ["qdc_metrics", "--corpus", *paths])
    main()
    assert capsys.readouterr().out.count("\n") == 3
    found = json.loads((tmp_path / "gold.jsonl.qdc.json").read_text())
    assert found["peers"] == paths
    assert found["quality"]["accuracy"]["value"] == 1
