"""Names of flow runs, what of a failure is logged, and a bar below the log's lines."""

import logging
from types import SimpleNamespace

import pytest
from prefect.exceptions import CancelledRun, FailedRun
from prefect.utilities.names import generate_slug

from flows import compare, pipeline, study
from flows.server import runs


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The present flow run, as Prefect tells of it."""
    made = SimpleNamespace(name="", parameters={})
    monkeypatch.setattr(runs.runtime, "flow_run", made)
    return made


@pytest.mark.parametrize(
    ("default", "parameters", "name"),
    [
        (study.run_name, {"name": "smoke", "workers": 2}, "study smoke"),
        (
            study.run_name,
            {"name": "smoke", "overrides": ["a=[1, 2]", "b={c: 1}"]},
            "study smoke a=[1, 2] b={c: 1}",
        ),
        (study.run_name, {"name": "s", "experiment": "mine"}, "mine: study s"),
        (compare.run_name, {"revisions": ["main", "mine"]}, "compare main mine"),
        (pipeline.run_name, {"targets": None, "workers": 0}, "pipeline"),
        (pipeline.run_name, {"targets": ["train", "report"]}, "pipeline train report"),
    ],
)
def test_a_run_is_called_by_what_was_typed(
    run: SimpleNamespace, default: object, parameters: dict[str, object], name: str
):
    run.parameters = parameters
    assert runs.title(default)() == name
    for _ in range(100):  # what Prefect draws is no name that was typed
        run.name = generate_slug(2)
        assert runs.title(default)() == name
    for drawn in ("Refined-Onager", "Small-Ape", "Tasty-Cow ox"):
        run.name = drawn
        assert runs.title(default)() == name
    for typed in ("alpha", "my own", "quick-test-7", "{name}", "Small-batches 32"):
        run.name = typed
        assert runs.title(default)() == typed


def test_a_long_name_is_one_line(run: SimpleNamespace):
    run.parameters = {"name": "s", "overrides": ["a=1\n", "b" * 200]}
    name = runs.title(study.run_name)()
    assert name.startswith("study s a=1 bbb")
    assert name.endswith("bbb...")
    assert len(name) == runs.LONGEST


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (FailedRun("refused: x"), False),
        (CancelledRun("late"), False),
        (KeyError("x"), True),
        (None, True),
    ],
)
def test_a_refusal_is_logged_without_traceback(error: Exception | None, logged: bool):
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append
    log = logging.getLogger("prefect.engine")
    log.addHandler(handler)
    try:
        log.error("unexpected", exc_info=error)
    finally:
        log.removeHandler(handler)
    assert bool(seen) is logged
