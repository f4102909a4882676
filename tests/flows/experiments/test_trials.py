"""What a search proposes and remembers, with Optuna."""

from pathlib import Path

import pytest

from flows.experiments.space import space

pytest.importorskip("optuna")

from flows.experiments.trials import Trials

PARAMS = {"a": {"x": 0.5, "n": 4, "kind": "left"}}
SPACE = space("a.x=0.1..1 a.n=1..64(log) a.kind=left,right", PARAMS)
OWN = {"a.x": 0.5, "a.n": 4, "a.kind": "left"}


def search(folder: Path, count: int, *, anew: bool) -> list[dict[str, object]]:
    """Proposals for ``count`` trials whose value is x, the third without one."""
    kept, values = Trials(folder, SPACE, OWN), []
    for _ in range(count):
        if anew:
            kept.propose()  # and killed while it ran
            kept = Trials(folder, SPACE, OWN)
        number, proposed = kept.propose()
        values.append(proposed)
        kept.tell(number, None if number == 2 else proposed["a.x"])
    return values


def test_a_kill_changes_no_proposal(tmp_path: Path):
    whole = search(tmp_path / "whole", 13, anew=False)
    assert whole[0] == OWN
    assert search(tmp_path / "killed", 13, anew=True) == whole
    for values in whole:
        assert 0.1 <= values["a.x"] <= 1
        assert values["a.n"] in range(1, 65)
        assert values["a.kind"] in ("left", "right")


def test_the_best_is_the_highest(tmp_path: Path):
    kept = Trials(tmp_path / "best", SPACE)
    assert kept.best() is None
    for value in (-3.0, None, -1.0, -1.0):
        number, _ = kept.propose()
        kept.tell(number, value)
    best = kept.best()
    assert best
    assert (best.number, best.value) == (2, -1.0)
    assert len(kept.done()) == 4
