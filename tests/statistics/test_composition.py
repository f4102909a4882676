"""Datasets side by side, and what the page and the comparison show of them."""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from tasks.artifacts.errors import RefusedError
from tasks.compare import Source
from tasks.compare.page import compare
from tasks.report.__main__ import main
from tasks.statistics.composition import (
    Composed,
    compose,
    correlations,
    pareto,
    ranks,
    spearman,
)
from tests.browser import text
from tests.compare.conftest import write_revision
from tests.measure.qdc_files import HERE
from tests.study_files import digest, dump, write_study

Make = Callable[..., Path]


def figure(value: float | None, sign: int = 1) -> dict[str, Any]:
    known = value is not None
    return {
        "value": value,
        "low": value - 1 if known else None,
        "high": value + 1 if known else None,
        "n": 20, "seed": 0, "family": "ground truth", "sign": sign,
        **({} if known else {"why": "the world was not asked"}),
    }  # fmt: skip


def told(
    name: str, q: float, d: float, c: float, peers: list[str], **changes: Any
) -> dict[str, Any]:
    return {
        "schema": 1, "dataset": name, "dataset_sha256": digest("data", name),
        "world": "hopper", "seed": 0, "confidence": 0.95, "resamples": 100,
        "peers": peers, "episodes": 20, "steps": 900, "reference": "params",
        "bandwidth": 3.25, "gate": ["quality.valid"],
        "quality": {"score": figure(q), "dynamics": figure(None)},
        "diversity": {"vendi": figure(d), "self_bleu": figure(-3 * d, -1)},
        "complexity": {"ifd": figure(c)}, **changes,
    }  # fmt: skip


def some(*rows: tuple[float, float, float]) -> dict[str, dict[str, Any]]:
    names = [f"d{k}" for k in range(len(rows))]
    return {n: told(n, *row, names) for n, row in zip(names, rows, strict=True)}


def test_z_scores_have_the_sign_that_makes_more_more():
    found = compose(some((1, 10, 5), (2, 30, 5), (3, 20, 5)), "here")
    z = np.sqrt(1.5)
    assert [one.z["quality"]["score"] for one in found] == pytest.approx([-z, 0, z])
    assert "dynamics" not in found[0].z["quality"]  # unavailable is left out, not 0
    for one in found:
        assert one.z["diversity"]["vendi"] == pytest.approx(
            one.z["diversity"]["self_bleu"]
        )
    assert [one.letters["complexity"] for one in found] == [0, 0, 0]
    assert [one.letters["diversity"] for one in found] == pytest.approx([-z, z, 0])
    assert [one.front for one in found] == [False, True, True]


def test_a_letter_without_a_figure_is_unavailable():
    found = some((1, 1, 1), (2, 2, 2))
    found["d0"]["complexity"]["ifd"] = figure(None)
    assert [one.letters["complexity"] for one in compose(found, "here")] == [None] * 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("world", "taxi"), ("episodes", 19), ("steps", 3), ("bandwidth", 9.0),
     ("peers", ["d0"])],
)  # fmt: skip
def test_datasets_that_were_not_measured_together_are_refused(field: str, value: Any):
    found = some((1, 1, 1), (2, 2, 2))
    found["d1"][field] = value
    with pytest.raises(RefusedError, match=field) as caught:
        compose(found, "here")
    assert "study.measured" in caught.value.mend


def test_pareto_by_hand():
    pairs = [(0, 3), (1, 2), (0, 2), (3, 0), (3, 0), (None, 9)]
    assert pareto(pairs) == [True, True, False, True, True, False]


def test_ranks_and_spearman_agree_with_scipy():
    draw = np.random.default_rng(1)
    x, y = draw.integers(0, 6, 12).astype(float), draw.normal(size=12)
    y += x
    np.testing.assert_allclose(ranks(x), stats.rankdata(x))
    rho, p = spearman(x, y, 0)
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    few = y[:6]
    exact = [
        abs(stats.spearmanr(x[:6], order).statistic)
        for order in itertools.permutations(few)
    ]
    rho, p = spearman(x[:6], few, 0)
    assert p == pytest.approx(np.mean(np.array(exact) >= abs(rho) - 1e-9), abs=0.02)


def composed(n: int) -> list[Composed]:
    return [
        Composed(f"d{k}", {}, {"quality": k, "diversity": -k, "complexity": None}, True)
        for k in range(n)
    ]


def test_correlations_say_n_and_p_and_when_there_are_not_enough():
    scores = {"ID score": {f"d{k}": 2.0 * k for k in range(8)}, "OOD score": {}}
    found = {(r.letter, r.score): r for r in correlations(composed(8), scores, 0)}
    best = found["quality", "ID score"]
    assert (best.rho, best.n, best.why) == (pytest.approx(1), 8, "")
    assert best.p is not None
    assert best.p < 0.01
    worse = found["diversity", "ID score"]  # a negative finding is shown
    assert worse.rho == pytest.approx(-1)
    assert found["complexity", "ID score"].why == "no ID score"
    assert found["quality", "OOD score"].why == "no OOD score"
    for one in correlations(composed(7), scores, 0)[:2]:
        assert (one.rho, one.p, one.n) == (None, None, 7)
        assert one.why == "not enough datasets, 7 of 8"


def put(root: Path, names: list[str], **changes: Any) -> None:
    """Measure the datasets of a made-up study."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["study"]["measured"] = names
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    for k, name in enumerate(names):
        found = told(name, 41.5 + k, 5.25 - k, 0.5, names, **changes)
        dump(root / f"data/qdc/{name}/metrics.json", found)


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["report"])
    named = {"hopper_mixed": "hopper", "hopper_other": "hopper"}
    return make_study(named, learners=("bc",), variants=("float32", "gptq4"))


def test_the_page_shows_figures_and_composition(root: Path):
    main()
    page = root / "data/report/index.html"
    assert "Composition" not in page.read_text(encoding="utf-8")
    put(root, ["hopper_mixed", "hopper_other"])
    main()
    said = text(page.read_text(encoding="utf-8"))
    assert "quality score 41.5 [40.5, 42.5] 20 ground truth" in said
    assert "quality dynamics unavailable 0" not in said
    assert "dynamics unavailable 20 ground truth the world was not asked" in said
    assert "diversity vendi 5.25 [4.25, 6.25]" in said
    assert "drawn with seed 0, as many of each of hopper_mixed, hopper_other" in said
    assert "Gate passed: quality.valid" in said
    assert "Composition world hopper" in said
    assert "hopper_mixed \u22121.00 +1.00 0.00 yes" in said
    assert "not enough datasets, 2 of 8" in said
    assert "no OOD score" in said


def test_one_dataset_has_figures_and_no_composition(root: Path):
    put(root, ["hopper_mixed"])
    main()
    page = (root / "data/report/index.html").read_text(encoding="utf-8")
    assert "vendi" in page
    assert "Composition" not in page


def test_figures_of_another_dataset_are_refused(root: Path):
    put(root, ["hopper_mixed"], dataset_sha256="0")
    with pytest.raises(RefusedError, match="dataset_sha256: found 0") as caught:
        main()
    assert caught.value.mend.endswith("qdc_metrics --dataset hopper_mixed")
    (root / "data/qdc/hopper_mixed/metrics.json").unlink()
    with pytest.raises(RefusedError, match="make it with"):
        main()
    assert not (root / "data/report").exists()


def test_a_comparison_shows_both_revisions(tmp_path: Path):
    sides = []
    for name in ("main", "other"):
        write_revision(tmp_path / name)
        put(tmp_path / name, ["hopper_mixed"])
        sides.append(Source(name, "branch", "a" * 40, "m", tmp_path / name))
    path = tmp_path / "other/data/qdc/hopper_mixed/metrics.json"
    found = json.loads(path.read_text())
    found["diversity"]["vendi"] = figure(2.0)
    dump(path, found)
    said = text(compare(sides).page)
    assert "diversity, vendi 5.25 [4.25, 6.25] 2 [1, 3]" in said
    path.unlink()
    again = compare(sides)
    assert any("measure@hopper_mixed" in line for line in again.missing)
    assert "quality, dynamics unavailable" in text(again.page)


@pytest.mark.parametrize("study", ["qdc_metrics", "qdc_metrics_smoke"])
def test_the_studies_measure_what_they_train_on(study: str):
    from tasks.artifacts.compose import composed as compose_study

    params = yaml.safe_load(compose_study([f"study={study}"], HERE / "params"))
    assert params["study"]["measured"] == params["study"]["datasets"]
    assert params["study"]["gate"] == study
    parts = [str(d["generate"]) for d in params["dataset"].values()]
    assert len(set(parts)) == len(parts)  # made differently


def test_write_study_stays_measured_by_none(tmp_path: Path):
    write_study(tmp_path, {"hopper_mixed": "hopper"}, ("bc",), ("float32",))
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert "measured" not in params["study"]
