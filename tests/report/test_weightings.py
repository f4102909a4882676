"""Weightings on the page: a small table below the dataset."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.report.__main__ import main
from tasks.report.engine.read import trained
from tests.browser import text
from tests.study_files import digest, dump_sealed

Make = Callable[..., Path]

TOLD = {
    "schema": 1,
    "params": {"scheme": "return", "alpha": 0.1, "fraction": 0.1},
    "dataset_sha256": digest("data", "hopper_mixed"),
    "weights_sha256": digest("weights", "hopper_mixed"),
    "v_plus": {"return": 12345.0, "score": 0.0375},
    "effective_sample_size": 0.125,
    "mean_return": {"uniform": 813.2, "weighted": 2044.6},
    "start_return": {"uniform": 700.5, "weighted": 701.5},
}


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of one weighting, whose policy is read as any other."""
    monkeypatch.setattr(sys, "argv", ["report"])
    made = make_study(learners=("bc", "bc-rw"), variants=("float32",))
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["study"] |= {
        "learners": ["bc"],
        "weighted": {"learners": ["bc"], "weightings": ["rw"]},
    }
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


def write(root: Path, **change: Any) -> Path:
    path = root / "data/weights/hopper_mixed/rw/weights.json"
    dump_sealed(path, TOLD | change)
    return path


def drawn(root: Path) -> str:
    main()
    return text((root / "data/report/index.html").read_text(encoding="utf-8"))


def test_the_figures_stand_below_the_dataset(root: Path):
    write(root)
    said = drawn(root)
    row = "rw scheme return, alpha 0.1, fraction 0.1 0.0375 12 % 813.2 → 2 044.6"
    assert row in said.replace("\N{NO-BREAK SPACE}", " ").replace("12.5 %", "12 %")
    assert "700.5 → 701.5" in said
    assert "bc-rw / float32" in said
    metrics = json.loads((root / "data/report/table.json").read_text())
    assert set(metrics["hopper_mixed"]) == {"bc", "bc-rw"}
    write(root, start_return=None)
    assert "700.5" not in drawn(root)


def test_a_study_without_weightings_has_no_table(make_study: Make, root: Path):
    write(root)
    assert "Weightings" in drawn(root)
    make_study(learners=("bc",), variants=("float32",))
    assert "Weightings" not in drawn(root)


def test_what_does_not_fit_is_refused(root: Path):
    again = "python -m tasks.weigh --dataset hopper_mixed --weighting rw"
    for change, named in (
        ({"dataset_sha256": "0"}, "dataset_sha256: found 0"),
        ({"v_plus": {"return": 1.0}}, "v_plus.score: found nothing"),
    ):
        path = write(root, **change)
        with pytest.raises(RefusedError, match=named) as error:
            main()
        assert again in error.value.mend
    path.unlink()
    with pytest.raises(RefusedError, match="make it with") as error:
        main()
    assert again in error.value.mend


def test_a_missing_policy_names_the_command_that_trains_it(root: Path):
    write(root)
    (root / "data/policies/hopper_mixed/bc-rw/curves.csv").unlink()
    with pytest.raises(RefusedError) as error:
        main()
    assert "tasks.train --dataset hopper_mixed --learner bc --weighting rw" in (
        error.value.mend
    )


def test_a_policy_that_was_tuned_names_what_it_began_from():
    study = {"tuned": {"learners": ["sac"], "policies": ["sac_n"]}}
    command = trained("d", "sac-sac_n", study, {})
    assert command == "python -m tasks.learn --dataset d --learner sac --start sac_n"
    assert trained("d", "sac-aw", study, {}).endswith("--weighting aw")
