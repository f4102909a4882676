"""The stage ``code``: it refuses first, then writes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.code import ROOMS, methods
from tasks.code.__main__ import OUT, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    text = composed(["study=smoke"], ROOT / "params")
    monkeypatch.chdir(tmp_path)
    return yaml.safe_load(text)


def test_it_writes_a_file_a_method(params: dict[str, Any]):
    Path("params.yaml").write_text(yaml.safe_dump(params))
    main()
    names = {path.relative_to(OUT).as_posix() for path in OUT.rglob("*.json")}
    assert names == {f"{room}/{name}.json" for room in ROOMS for name in methods(room)}


@pytest.mark.parametrize(
    ("group", "name", "target"),
    [
        ("train", "bc2", "tasks.train.bc.BC"),  # no file has its name
        ("train", "iql", "tasks.train.bc.BC"),  # the class is another method's
        ("compress", "float16", "tasks.compress.float32.Float32"),
    ],
)
def test_a_block_without_a_file_of_its_name_is_refused(
    params: dict[str, Any], group: str, name: str, target: str
):
    """No stage could tell which code stands behind it."""
    block = next(b for b in params[group].values() if b["_target_"] == target)
    params[group][name] = dict(block)
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(RefusedError, match=f"{group}.{name}: found {name}, of the cla"):
        main()
    assert not OUT.exists()
