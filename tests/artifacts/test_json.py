"""JSON is read as the standard has it, and each entry as what it must be."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_entry, read_json


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "content: found Expecting value"),
        ("{", "content: found"),
        ("[" * 100_000, "brackets too deep"),
        ('{"a":' * 100 + "1" + "}" * 100, "brackets too deep"),
        ('{"a": NaN}', "the value NaN"),
        ('{"a": -Infinity}', "the value -Infinity"),
        ('{"a": 1e999}', "beyond a float's range"),
        ('{"a": ' + "9" * 5000 + "}", "a whole number of 5000 digits"),
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        (r'{"a": "\ud800"}', "surrogates not allowed"),
        ("[1, 2]", r"found \[1, 2\], expected an object"),
        ('"x"', "expected an object"),
    ],
)
def test_json_that_others_could_not_read_is_refused(
    tmp_path: Path, text: str, match: str
):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(RefusedError, match=match) as caught:
        read_json(tmp_path / "x.json", "make x", dict)
    assert "\n" not in str(caught.value)
    assert "make it again with: make x" in caught.value.mend


@pytest.mark.parametrize(
    "value",
    [{}, {"a": [[[[1]]]]}, {"a": 10**200}, {"a": 1e300}, {"é": "\U0001f600"}],
)
def test_other_json_is_read(tmp_path: Path, value: Any):
    (tmp_path / "x.json").write_text(json.dumps(value))
    assert read_json(tmp_path / "x.json", "make x", dict) == value


def test_a_folder_or_bytes_in_the_place_of_json_are_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="file: found Is a directory"):
        read_json(tmp_path, "make x")
    (tmp_path / "x.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RefusedError, match="content: found 'utf-8'"):
        read_json(tmp_path / "x.json", "make x")


def test_an_entry_is_of_its_kind(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text('{"a": {"b": 3, "c": true, "d": "x"}}')
    assert read_entry(path, "make x", "a.b", float) == 3
    assert read_entry(path, "make x", "a.d", str) == "x"
    for key, kind in (("a.c", float), ("a.d", int), ("a.b.c", str), ("e", dict)):
        with pytest.raises(RefusedError, match=f"{key}: found .*{kind.__name__}"):
            read_entry(path, "make x", key, kind)
