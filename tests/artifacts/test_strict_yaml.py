"""YAML is plain data, and what its aliases stand for is counted first."""

import re
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.strict_yaml import DEPTH, parse_yaml, read_yaml
from tests.hazards.parameters import LAUGHS, MERGES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("[", "expected node content"),
        (LAUGHS, "aliases that stand for 1.23e+09 values"),
        (MERGES, "aliases that stand for 3.7e+08 values"),
        ("a: &a [*a]", "an alias that stands for itself"),
        ("a: &a {<<: *a}", "an alias that stands for itself"),
        ("[" * 100_000, f"blocks inside blocks, over {DEPTH}"),
        ("- " * 50_000, f"blocks inside blocks, over {DEPTH}"),
        ("a: !!int ''", "a value that its tag does not fit"),
        ("a: !!timestamp x", "a value that its tag does not fit"),
        ("a: 2020-13-45", "month must be in 1..12"),
        (f"a: {'9' * 5000}", "limit"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a\0b", "unacceptable character"),
    ],
)
def test_what_is_no_plain_data_is_refused(text: str, said: str):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_yaml(text)


def test_the_rest_is_what_yaml_says(tmp_path: Path):
    a_few = "a: &a [1, 2]\nb: *a\nc: {<<: &d {e: é}, f: *d}\n"
    assert parse_yaml(a_few) == yaml.safe_load(a_few)
    assert parse_yaml("") is None
    longer = "a: &a [1, 2, 3, 4]\n" + "".join(f"b{k}: *a\n" for k in range(999))
    assert parse_yaml(longer) == yaml.safe_load(longer)
    file = tmp_path / "x.yaml"
    file.write_bytes(b"a: \xff")
    with pytest.raises(ValueError, match="utf-8"):
        read_yaml(file)
