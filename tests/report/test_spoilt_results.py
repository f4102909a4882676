"""Every place of every file the report reads, spoilt: refused in one line, or shown.

``OFFCUT_MUTATIONS=all`` tries each way to spoil each place, which takes minutes;
otherwise a sample is tried, always the same.
"""

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import write_sealed
from tasks.report.__main__ import main
from tests.estimate_files import add_estimates
from tests.measured_files import put
from tests.sampled_files import add_sampled
from tests.spoilt_json import Spoilt, restore, spoilt
from tests.study_files import SEEDS, digest, dump_sealed, state_curves, write_study

EVERY = os.environ.get("OFFCUT_MUTATIONS") == "all"
SAMPLE = 15  # ways to spoil each file
D, OTHER = "hopper_x", "hopper_y"
LEAF = f"{D}/bc/gptq4"
FILES = (
    "environment.json",
    f"data/datasets/{D}-v0/card.json",
    f"data/datasets/{D}-v0/world.json",
    f"data/policies/{D}/bc/policy.json",
    f"data/compressed/{LEAF}/compression.json",
    f"data/onnx/{LEAF}/seed-1.json",
    f"data/evaluations/{LEAF}/metrics.json",
    f"data/evaluations/{D}/bc/snapshots/metrics.json",
    f"data/profiles/{LEAF}/static.json",
    f"data/profiles/{LEAF}/latency.json",
    f"data/estimates/{D}/bc/wis/metrics.json",
    f"data/onnx/{D}/dql/float32-unipc-5/sampler.json",
    f"data/weights/{D}/rw/weights.json",
    f"data/qdc/{D}/metrics.json",
)
RETURNS = Path(f"data/evaluations/{D}/bc/snapshots/returns.csv")


def add_learning(root: Path) -> None:
    """What stages learning and weigh leave, on each dataset."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["study"] |= {
        "curves": ["bc"],
        "weighted": {"learners": [], "weightings": ["rw"]},
    }
    params["evaluate"]["returns"]["resamples"] = 100
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    rows = [f"{u},{k},{e},{e},{u + k}" for u in (5, 9) for k in SEEDS for e in (0, 1)]
    figures = {"mean": 9.0, "iqm": 9.0, "low": 8.0, "high": 10.0, "per_seed": [9.0] * 3}
    for dataset in (D, OTHER):
        table = root / f"data/evaluations/{dataset}/bc/snapshots/returns.csv"
        table.parent.mkdir(parents=True)
        table.write_text("\n".join([f"{','.join(COLUMNS)}", *rows, ""]))
        dump_sealed(table.with_name("metrics.json"), {
            "schema": 1, "dataset": dataset, "learner": "bc", "seeds": SEEDS,
            "episodes": 2, "last": figures, "best": {**figures, "updates": [9] * 3},
            "returns_sha256": sha256(table),
        })  # fmt: skip
        dump_sealed(root / f"data/weights/{dataset}/rw/weights.json", {
            "schema": 1, "params": {"scheme": "return", "alpha": 0.1},
            "dataset_sha256": digest("data", dataset),
            "weights_sha256": "0" * 64, "v_plus": {"return": 12345.0, "score": 0.0375},
            "effective_sample_size": 0.125,
            "mean_return": {"uniform": 813.2, "weighted": 2044.6},
            "start_return": {"uniform": 700.5, "weighted": 701.5},
        })  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a file of every kind."""
    place: Path = tmp_path_factory.mktemp("study")
    variants = ("float32", "gptq4")
    write_study(place, {D: "hopper", OTHER: "hopper"}, ("bc", "dql"), variants)
    add_learning(place)
    for dataset in (D, OTHER):
        add_sampled(place, dataset)
        for learner in ("bc", "dql"):
            add_estimates(place, dataset, learner, ("wis",))
    put(place, [D, OTHER])
    return place


def said() -> str:
    """What the report refuses its files with; nothing where it shows them."""
    try:
        main()
    except RefusedError as error:
        assert not Path("data/report").exists(), "something was written"
        return str(error)
    shutil.rmtree("data/report")
    return ""


@pytest.fixture(autouse=True)
def _stand_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["report"])


def tried(path: Path, cases: list[Spoilt]) -> list[str]:
    """Cases that end in another error than a refusal, or in more than one line."""
    text = path.read_text("utf-8")
    wrong = []
    for name, spoil in cases:
        spoil()
        try:
            line = said()
            if "\n" in line or (line and "; " not in line):
                wrong.append(f"{name}: {line}")
        except Exception as error:  # that is what is looked for
            wrong.append(f"{name}: {error!r}")
        finally:
            restore(path, text)
    return wrong


@pytest.mark.parametrize("name", FILES)
def test_no_spoilt_file_is_an_error_of_the_report(name: str):
    cases = list(spoilt(Path(name)))
    if not EVERY:
        cases = random.Random(0).sample(cases, min(SAMPLE, len(cases)))  # noqa: S311
    assert tried(Path(name), cases) == []
    assert said() == ""


COLUMNS = ("update", "seed", "episode", "start_seed", "return")
CELLS = ("-1", "1e308", "1e39", "nan", "inf", "", "x", "True", "[]", "9" * 20)


def rewritten(path: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Edit a table, and let the JSON beside it state its new hash."""
    edit(pd.read_csv(path, dtype=str)).to_csv(path, index=False)
    if path.name == "curves.csv":
        state_curves(path)
    else:
        beside = path.with_name("metrics.json")
        content = yaml.safe_load(beside.read_text("utf-8"))
        write_sealed(beside, content | {"returns_sha256": sha256(path)})


@pytest.mark.parametrize("path", [RETURNS, Path(f"data/policies/{D}/bc/curves.csv")])
def test_no_spoilt_table_is_an_error_of_the_report(path: Path):
    table = pd.read_csv(path, dtype=str)
    edits: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "no rows": lambda t: t[:0],
        "one row": lambda t: t[:1],
        "another name": lambda t: t.rename(columns={t.columns[-1]: "<b>/.."}),
        "twice": lambda t: pd.concat([t, t]),
    }
    for column in table:
        for cell in CELLS:
            edits[f"{column} = {cell}"] = lambda t, c=column, v=cell: t.assign(**{c: v})  # type: ignore[misc]
        edits[f"no {column}"] = lambda t, c=column: t.drop(columns=c)  # type: ignore[misc]
    names = list(edits)
    if not EVERY:
        names = random.Random(0).sample(names, SAMPLE)  # noqa: S311
    cases: list[Spoilt] = [(n, lambda n=n: rewritten(path, edits[n])) for n in names]  # type: ignore[misc]
    assert tried(path, cases) == []
    rewritten(path, lambda t: t)
    assert said() == ""
