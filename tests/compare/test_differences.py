"""Values side by side, and what a dvc.lock was not made with."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.compare import differences
from tasks.compare.revision import Revision, collect
from tests.compare.conftest import DATASET, Make, lock, rewrite

Revisions = Callable[..., tuple[Revision, Revision]]


def edit_params(folder: Path, edit: Callable[[dict], None]) -> None:
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    edit(params)
    path.write_text(yaml.safe_dump(params))


def test_only_what_differs_differs():
    table = differences.table(
        [{"a": {"b": 1, "c": [1, 2]}, "d": True}, {"a": {"b": 2}}]
    )
    assert [(x.name, x.values) for x in table.lines] == [
        ("a.b", ("1", "2")),
        ("a.c", ("1, 2", "—")),
        ("d", ("true", "—")),
    ]
    assert [line.name for line in table.differing] == ["a.b", "a.c", "d"]
    assert differences.table([{"a": 1}, {"a": 1}]).differing == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e-4, "0.0001"),
        (None, "null"),
        ([{"a": 1}], '[{"a": 1}]'),
        ({}, "{}"),
    ],
)
def test_values_are_text(value: object, text: str):
    assert differences.text(value) == text


def test_parameters_and_packages(revisions: Revisions):
    def edit(folder: Path) -> None:
        edit_params(folder, lambda p: p["study"].update(batch=64))
        (folder / "requirements.lock").write_text("numpy==2.1\n")

    both = revisions(edit)
    changed = differences.params(both).differing
    assert [(x.name, x.values) for x in changed] == [("study.batch", ("256", "64"))]
    assert [(x.name, x.values) for x in differences.packages(both).differing] == [
        ("numpy", ("2.0", "2.1")),
        ("torch", ("2.13.0", "—")),
    ]


def test_cards_have_their_facts_and_not_their_arrays(revisions: Revisions):
    def edit(folder: Path) -> None:
        rewrite(folder / f"data/datasets/{DATASET}-v0/card.json", episodes=7)

    table = differences.cards(revisions(edit))[DATASET]
    assert [(x.name, x.values) for x in table.differing] == [("episodes", ("400", "7"))]
    names = {line.name for line in table.lines}
    assert {"return.mean", "coverage.share", "sources.sac-0k", "sha256"} <= names
    assert not any("histogram" in name or "observation" in name for name in names)


def test_environment_hashes_come_from_the_lock(make: Make):
    one, other = make("main"), make("other")
    lock(one.folder, {}, **{"environment.json": "aaa"})
    lock(other.folder, {}, **{"environment.json": "bbb"})
    (other.folder / "environment.json").unlink()
    table = differences.environment([collect(one), collect(other)])
    found = {line.name: line.values for line in table.lines}
    assert found["environment.json.hash, train"] == ("aaa", "bbb")
    assert found["onnxruntime"] == ("1.31.1", "1.31.1")
    assert found["processor"] == ("Some CPU", "—")


def test_code_and_outputs_are_compared_by_hash(make: Make):
    one, other = make("main"), make("other")
    lock(one.folder, {}, **{"tasks/a.py": "1", "tasks/b.py": "2", "params.yaml": "3"})
    lock(other.folder, {}, **{"tasks/a.py": "1", "tasks/b.py": "4"})
    both = [collect(one), collect(other)]
    assert [(x.name, x.values) for x in differences.code(both).differing] == [
        ("tasks/b.py", ("2", "4"))
    ]
    assert [x.name for x in differences.hashes(both).lines] == [
        f"data/policies/{DATASET}/bc"
    ]


def test_code_may_be_told_by_method_in_one_lock_and_by_file_in_another(make: Make):
    one, other = make("main"), make("other")
    lock(one.folder, {}, **{"tasks/a.py": "1", "data/datasets/x": "5"})
    lock(other.folder, {}, **{"data/code/train/bc.json": "2", "tasks": "3"})
    both = [collect(one), collect(other)]
    assert [(x.name, x.values) for x in differences.code(both).lines] == [
        ("tasks/a.py", ("1", "—")),
        ("data/code/train/bc.json", ("—", "2")),
    ]


def test_a_lock_older_than_its_revision_is_told(make: Make):
    source = make("main")
    made_with = {"study.updates": 500, "study.batch": 256, "evaluate.gone": 1}
    lock(source.folder, made_with, **{"tasks/a.py": "1", "tasks/b.py": "2"})
    now = {"tasks/a.py": "1", "tasks/b.py": "9"}
    revision = collect(dataclasses.replace(source, code=now))
    assert differences.stale(revision) == [
        "evaluate.gone",
        "study.updates",
        "tasks/b.py",
    ]


def test_stages_of_another_study_in_the_lock_are_not_stale(make: Make):
    source = make("main", learners=("iql",))
    lock(source.folder, {"study.updates": 500})  # of bc
    assert differences.stale(collect(source)) == []
