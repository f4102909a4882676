"""Tables and figures that the report reads: parquet, CSV, JSON, environment.json."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tests.hazards.case import DATASET, REPORT, Action, Case
from tests.hazards.datasets import WORDS
from tests.hazards.edits import (
    ABSENT,
    COMPRESSED,
    FOLDER,
    POLICY,
    cut,
    entry,
    flip,
    sha256,
    text,
    write,
)

LEAF = f"{DATASET}/bc/float32"
EPISODES = Path(f"data/evaluations/{LEAF}/episodes.parquet")
METRICS = Path(f"data/evaluations/{LEAF}/metrics.json")
CURVES = POLICY / "curves.csv"
STATED = "episodes_sha256"  # in metrics.json
ENVIRONMENT = Path("environment.json")
DOCUMENTS = (
    METRICS,
    COMPRESSED / "compression.json",
    Path(f"data/profiles/{LEAF}/static.json"),
    Path(f"data/profiles/{LEAF}/latency.json"),
    Path(f"data/onnx/{LEAF}/seed-0.json"),
    FOLDER / "card.json",
    FOLDER / "world.json",
)
TEXTS = {
    "empty": "",
    "a head alone": "update,seed,loss\n",
    "text": "update,seed,loss\n0,0,many\n",
    "no head": "0,0,1.0\n",
    "a cell more": "update,seed,loss\n0,0,1.0,5\n",
    "a NUL": "update,seed,loss\n0,0,\x00\n",
    "no UTF-8": b"\xff\xfe\x00",
    "no seed": "update,loss\n0,1.0\n",
    "a column twice": "update,seed,loss,loss\n0,0,1.0,1.0\n",
}
KEYS: dict[Path, dict[str, tuple[Any, ...]]] = {
    METRICS: {
        "score": (ABSENT, None, [], "x"),
        "return": (ABSENT, None),
        "seeds": (None, "x", [5]),
    },
    FOLDER / "card.json": {
        "episodes": (ABSENT, "many", None),
        "return": (ABSENT, [], None),
        "return.histogram": (None, [], {"edges": [], "counts": ["x"]}),
        "sha256": (ABSENT, "0"),
        "sources": (None, "x", [5]),
    },
    FOLDER / "world.json": {"world.ref_min": (ABSENT, "x", None), "world": ([], None)},
    COMPRESSED / "compression.json": {
        "parameters": ("x", None),
        "layers": (None, "x", [5]),
        "bytes_weights": (ABSENT, "x", None),
        "action_error": (None, {}, "x"),
    },
}


def table(make: Callable[[pd.DataFrame], Any]) -> Action:
    """Write another table of episodes."""

    def spoil() -> None:
        make(pd.read_parquet(EPISODES)).to_parquet(EPISODES, index=False)
        content = json.loads(METRICS.read_text("utf-8"))
        write(METRICS, content | {STATED: sha256(EPISODES)})

    return spoil


TABLES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "text returns": lambda t: t.assign(**{"return": "many"}),
    "NaN returns": lambda t: t.assign(**{"return": float("nan")}),
    "infinite returns": lambda t: t.assign(**{"return": float("inf")}),
    "no rows": lambda t: t[:0],
    "a row less": lambda t: t[:-1],
    "rows twice": lambda t: pd.concat([t, t]),
    "seeds of others": lambda t: t.assign(seed=t.seed + 5),
    "text seeds": lambda t: t.assign(seed="0"),
    "a column less": lambda t: t.drop(columns="length"),
    "a column more": lambda t: t.assign(more=1),
    "columns in another order": lambda t: t[t.columns[::-1]],
    "lists": lambda t: t.assign(length=[[1]] * len(t)),
    "nulls": lambda t: t.assign(length=[None] * len(t)),
    "text ends": lambda t: t.assign(terminated="yes"),
}


def cases() -> Iterator[Case]:  # noqa: C901, loops alone
    """At the report, which reads what all stages wrote."""
    for name, make in TABLES.items():
        yield Case("tables", f"episodes: {name}", table(make), REPORT)
    for name, content in {**TEXTS, **WORDS}.items():
        yield Case("tables", f"curves.csv: {name}", text(CURVES, content), REPORT)
        yield Case("tables", f"episodes: {name}", text(EPISODES, content), REPORT)
    for share in (0.0, 0.3, 0.6, 1.0):
        yield Case("tables", f"episodes: a bit at {share:.0%}", bit(share), REPORT)
    for file in (CURVES, EPISODES):
        yield Case("tables", f"{file.name}: gone", file.unlink, REPORT)
    yield Case("tables", "episodes: cut", cut(EPISODES, 0.5), REPORT)
    for file in DOCUMENTS:
        for name, content in WORDS.items():
            yield Case("tables", f"{file.name}: {name}", text(file, content), REPORT)
        if file.name != "latency.json":
            yield Case("tables", f"{file.name}: gone", file.unlink, REPORT)
    for file, keys in KEYS.items():
        for path, values in keys.items():
            for value in values:
                name = f"{file.name}: {path} = {value!r:.25}"
                yield Case("tables", name, entry(file, path, value), REPORT)
    for name, content in {**WORDS, "x": "x"}.items():
        spoil = text(ENVIRONMENT, content)
        yield Case("tables", f"environment.json: {name}", spoil, REPORT)
    yield Case("tables", "as written", table(lambda t: t), REPORT, True)
    yield Case("tables", "no environment.json", ENVIRONMENT.unlink, REPORT, True)
    yield Case("tables", "no latency.json", DOCUMENTS[3].unlink, REPORT, True)
    note = entry(METRICS, "note", "<script>alert(1)</script>")
    yield Case("tables", "a note in metrics.json", note, REPORT, True)


def bit(share: float) -> Action:
    """Flip a bit of the table of episodes."""
    return flip(EPISODES, share)
