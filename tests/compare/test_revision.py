"""What is broken becomes a gap with its command; what is no study is refused."""

from pathlib import Path

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.compare import Missing, Source, wanted
from tasks.compare.revision import collect
from tests.compare.conftest import DATASET, Make, rewrite

LEAF = f"{DATASET}/bc/gptq4"


def test_a_whole_revision_has_no_gap(make: Make):
    revision = collect(make("main"))
    assert revision.gaps == []
    assert list(revision.results) == [(DATASET, "bc", v) for v in ("float32", "gptq4")]
    assert revision.packages == {"numpy": "2.0", "torch": "2.13.0"}


@pytest.mark.parametrize(
    ("path", "stage", "word"),
    [
        (f"data/datasets/{DATASET}-v0/card.json", f"generate@{DATASET}", "JSON"),
        (f"data/policies/{DATASET}/bc/curves.csv", f"train@{DATASET}-bc", "sha256"),
        (f"data/onnx/{LEAF}/seed-1.onnx", f"export@{DATASET}-bc-gptq4", "sha256"),
        (f"data/onnx/{LEAF}/seed-1.json", f"export@{DATASET}-bc-gptq4", "JSON"),
        (f"data/evaluations/{LEAF}/metrics.json", "evaluate@", "JSON"),
        (f"data/evaluations/{LEAF}/episodes.parquet", "evaluate@", "parquet"),
    ],
)
def test_a_broken_file_is_a_gap(make: Make, path: str, stage: str, word: str):
    source = make("main")
    (source.folder / path).write_text("broken")
    (gap,) = collect(source).gaps
    assert gap.path == Path(path).parent.as_posix()
    assert word in gap.why
    assert gap.command.startswith(f"dvc repro {stage}")
    assert str(source.folder) not in gap.why


def test_a_corrupted_dataset_is_named_by_the_stage_that_makes_it():
    lists = {"datasets": ["a", "b", "c"], "learners": [], "variants": []}
    params = {"study": lists, "dataset": {"a": {}}, "attack": {"c": {}}}
    found = wanted(params | {"corruption": {"b": {}}})
    assert [w.stage for w in found] == ["generate@a", "corrupt@b", "attack@c"]


def test_what_the_source_names_is_not_named_again(make: Make, tmp_path: Path):
    source = make("main")
    told = Missing(f"data/evaluations/{LEAF}", "nowhere", "git checkout main")
    revision = collect(Source("main", "tag", "a" * 40, "", source.folder, (told,)))
    assert revision.gaps == [told]


def test_a_file_that_is_no_onnx_is_a_gap(make: Make):
    source = make("main")
    file = source.folder / f"data/onnx/{LEAF}/seed-0.onnx"
    file.write_bytes(b"\xff\xfe no model")
    rewrite(file.with_suffix(".json"), onnx_sha256=sha256(file))
    (gap,) = collect(source).gaps
    assert "an ONNX model" in gap.why


@pytest.mark.parametrize("name", ["..", "a/b", "", 7])
def test_a_name_that_leads_elsewhere_is_refused(name: object):
    with pytest.raises(RefusedError, match=r"study\.datasets"):
        wanted({"study": {"datasets": [name]}})


def test_weighted_policies_come_from_a_stage_of_their_own():
    study = {"datasets": ["d"], "learners": ["bc"], "policies": ["bc", "bc-aw"]}
    found = {one.out: one.stage for one in wanted({"study": study | {"variants": []}})}
    assert found["data/policies/d/bc"] == "train@d-bc"
    assert found["data/policies/d/bc-aw"] == "train_weighted@d-bc-aw"


def test_tuned_policies_come_from_a_stage_of_their_own():
    study = {"datasets": ["d"], "played": ["d"], "learners": ["sac_n"], "variants": []}
    study |= {"learned": ["sac"], "policies": ["sac", "sac-sac", "sac-sac_n"]}
    study["tuned"] = {"learners": ["sac"], "policies": ["sac", "sac_n"]}
    found = {one.out: one.stage for one in wanted({"study": study})}
    assert found["data/policies/d/sac"] == "learn@d-sac"
    for policy in ("sac-sac", "sac-sac_n"):
        assert found[f"data/policies/d/{policy}"] == f"learn_tuned@d-{policy}"


def test_policies_of_a_sweep_come_from_the_stage_that_cuts_them_out():
    params = {
        "study": {"datasets": ["d"], "learners": ["iql"], "variants": []}
        | {"policies": ["iql-beta3"]},
        "grid": {"iql": {"iql-beta3": {"beta": 3}}},
    }
    found = {one.out: one.stage for one in wanted(params)}
    assert found["data/policies/d/iql-beta3"] == "cut@d-iql-beta3"


def test_no_study_is_refused(make: Make):
    source = make("main")
    (source.folder / "params.yaml").write_text(yaml.safe_dump({"train": {}}))
    with pytest.raises(RefusedError, match=r"params\.yaml of main: study\.datasets"):
        collect(source)


def test_a_broken_lock_is_refused(make: Make):
    source = make("main")
    (source.folder / "dvc.lock").write_text("a: [")
    with pytest.raises(RefusedError, match=r"dvc\.lock: content"):
        collect(source)
