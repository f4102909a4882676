"""Parameters: wrong types, numbers, classes, keys; files that are no parameters."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.hazards.case import (
    CHECK,
    COMPOSE,
    COMPRESS,
    DATASET,
    EVALUATE,
    EXPORT,
    GENERATE,
    GRAPH,
    PROFILE,
    REPORT,
    TRAIN,
    Action,
    Case,
    Door,
    nothing,
)
from tests.hazards.edits import ABSENT, parameter, text

HUGE = 10**400  # more than a double holds
WORLD = "dataset.pendulum_mixture.world"
BC = "tasks.train.bc.BC"
# stage that reads it: dotted key, values
BAD: dict[Door, dict[str, tuple[Any, ...]]] = {
    GENERATE: {
        "dataset.pendulum_mixture.generate.parts": ([], None, "all", [5], [{}]),
        "dataset.pendulum_mixture.generate.noise": (-1, HUGE, "loud", [1]),
        "dataset.pendulum_mixture.generate": (None, [], "mixture"),
        "dataset.pendulum_mixture": (None, [], "x", 5),
        "dataset": (None, [], "x", 5),
        "dataset.pendulum_mixture.method": (None, 5, "../mixture", "nope"),
        WORLD: (None, [], "pendulum"),
        f"{WORLD}.max_steps": (0, HUGE, None),
        f"{WORLD}.ref_min": (None, float("nan")),
        f"{WORLD}.env_id": ("os:system", "gymnasium.envs.x:Y-v0", "", None, 5, "No-v0"),
        f"{WORLD}._target_": ("tasks.train.bc.BC", "os.system", ABSENT),
    },
    TRAIN: {
        "train.bc.actor_rate": (2, -1, "fast", None, [1], {}, True, HUGE, float("inf")),
        "train.bc.actor_hidden": ("32", None, [0], [1.5], {}, [HUGE], [[8]]),
        "train.bc._target_": (
            *(ABSENT, None, 5, "", "tasks", "os.system", "tasks.train.bc", f"{BC}.x"),
            *("tasks.train.nope.X", "tasks..bc.BC", f"{BC}.Parameters", "../bc.BC"),
            *("tasks.nets.feedforward.Feedforward", "tasks.compress.float32.Float32"),
        ),
        "train.bc.rate": (1,),
        "train.bc": (None, [], "bc", 5),
        "train": (None, [], "bc"),
        "study.seeds": ([], [0, 0], [-1], "0", None, [0.5], [2**70], {}, 5),
        "study.updates": (0, -1, "x", 1.5, None, [5]),
        "study.batch": (0, "x", None),
        "study.snapshots": (-1, 10**9, None),
        "study.precision": ("float8", None, 5),
        "study.processes": (0, None, "two"),
        "study": (None, [], "smoke"),
    },
    COMPRESS: {
        "compress.float32._target_": (ABSENT, "os.system", BC, "tasks.compress.x.X"),
        "compress.float32": (None, [], 5),
        "compress": (None, []),
    },
    EXPORT: {
        "export.feedforward.tolerance": (-1, None, "small", HUGE, float("nan")),
        "export.feedforward": (None, []),
        "export.feedforward._target_": (ABSENT, "os.path.join", BC),
    },
    EVALUATE: {
        "evaluate.returns.episodes": (0, -3, 1.5, None, HUGE),
        "evaluate.returns.confidence": (0, 1, "high", float("nan")),
        "evaluate.returns.mode": ("fast", 5, None),
        "evaluate.returns": (None, [], 5),
        "evaluate.returns._target_": ("builtins.eval", BC),
    },
    PROFILE: {
        "profile.latency.repeats": (0, "many", None),
        "profile.latency.batches": ([], [0], None, "1"),
        "profile.latency": (None, "x"),
    },
    REPORT: {
        "report.html.hash_digits": (1.5, None, "8", 7),
        "report.html.film": (1.5, None, "4", -1),
        "report.html": (None, [], ABSENT),
        "report": (None, []),
    },
}
# of the study, read by the stages that take variants
READ = {
    "study.seeds": ([], [0, 0], "0", None, 5, {}),
    "study.datasets": (5, None, DATASET),
    "study.policies": (5, None, "bc", {"bc": 1}),
    "study.variants": (5, None, "float32", [["float32"]]),
    "study.sampled": (5, [], {"policies": ["bc"]}, {"policies": 5}),
    "study": (None, [], "smoke"),
}
# of the study, looked at before the first stage
LISTS: dict[str, tuple[Any, ...]] = {
    "study.datasets": (None, "pendulum_mixture", [5], [None], [["a"]], ["nope"], {}),
    "study.learners": (None, "bc", [5], ["nope"], ["bc", "bc"], {"bc": 1}),
    "study.policies": (None, ["nope"], [{}], ["bc", "bc"]),
    "study.compressors": (None, [5], ["nope"], ["float32", "float32"]),
    "study.variants": (None, ["nope"], [1], ["float32", "float32"]),
    "study.curves": (["nope"], [5], None),
    "study.estimators": (["nope"], [5]),
    "study.chains": (None, [], {"first": ["nope"], "then": []}),
    "study.sampled": (None, [], {"steps": ["five"]}),
    "study.weighted": (None, [], "x"),
    "study.tuned": (None, [], "x", {"learners": ["nope"], "policies": []}),
}
DEEP = "[" * 3000 + "]" * 3000
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: v}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 10)}]}}\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES = {
    "empty": "",
    "a list": "[1, 2]",
    "a word": "study",
    "a Python object": "!!python/object/apply:os.system [touch pwned]\n",
    "no UTF-8": b"\xff\xfe\x00study",
    "half a line": "study: {seeds: [0",
    "nested 3,000 times": f"study: {DEEP}\n",
    "aliases that grow": LAUGHS,
    "merges that grow": MERGES,
    "an alias of itself": "study: &a [*a]\n",
    "a tag that its value does not fit": "study: !!int ''\n",
    "nested 100,000 times": "[" * 100_000,
    "keys that are no text": "1: {2: 3}\nstudy: {null: 1}\n",
    "a date": "study: 2020-01-01\n",
}
# of them what Hydra composes into a study that the check then refuses
COMPOSED = {"keys that are no text", "a date"}
GROUP = Path("params/study/smoke.yaml")  # which composing reads


def group(content: str | bytes) -> Action:
    """Replace what a file of params/ holds, in a copy of the folder."""

    def spoil() -> None:
        whole = Path("params").resolve()
        Path("params").unlink()
        shutil.copytree(whole, "params")
        text(GROUP, content)()

    return spoil


def shared() -> None:
    """Two lists of the study are one, by an alias."""
    file = Path("params.yaml")
    params = yaml.safe_load(file.read_text("utf-8"))
    params["study"]["variants"] = params["study"]["compressors"]
    written = yaml.safe_dump(params, sort_keys=False)
    assert "*" in written
    file.write_text(written, "utf-8")


GOOD = {
    TRAIN: {
        "train.bc.actor_rate": (0.5, 1, 1e-9),
        "train.bc.actor_hidden": ([8], [8, 8, 8]),
        "study.seeds": ([7], [5, 3]),
        "study.snapshots": (1,),
        "study.title": ("Ünïcode; $(no) `command`",),
    },
    EVALUATE: {"evaluate.returns.episodes": (1,), "evaluate.returns.mode": ("exact",)},
    CHECK: {"study.title": ("../x",), "study.curves": ([],), "study.updates": (1,)},
    REPORT: {"report.html.hash_digits": (8,), "study.title": ("<script>",)},
}


def said(value: Any) -> str:
    """A value, short."""
    return "no key" if value is ABSENT else f"{value!r:.30}"


def each(
    keys: dict[str, tuple[Any, ...]], *doors: Door, passes: bool = False
) -> Iterator[Case]:
    """Every value of every key, at each of the doors."""
    for path, values in keys.items():
        for value in values:
            name, spoil = f"{path} = {said(value)}", parameter(path, value)
            for door in doors:
                yield Case("parameters", name, spoil, door, passes)


def cases() -> Iterator[Case]:
    """At the stage that reads a parameter, and at the check of all of them."""
    for stage, keys in BAD.items():
        yield from each(keys, stage, CHECK)
    yield from each(READ, EXPORT, EVALUATE, PROFILE)
    yield from each(LISTS, CHECK)
    for name, content in FILES.items():
        for door in (CHECK, GRAPH, TRAIN, REPORT):
            spoil = text("params.yaml", content)
            yield Case("parameters", f"params.yaml: {name}", spoil, door)
        if name not in COMPOSED:
            spoil = group(content)
            yield Case("parameters", f"params/study: {name}", spoil, COMPOSE)
    for door in (CHECK, GRAPH, TRAIN, REPORT):
        yield Case("parameters", "params.yaml: an alias", shared, door, True)
    yield Case("parameters", "params/study as it is", nothing, COMPOSE, True)
    for stage, good in GOOD.items():
        yield from each(good, stage, passes=True)
