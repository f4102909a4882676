import pytest

from tasks.artifacts.errors import RefusedError


def test_one_line_names_everything():
    error = RefusedError("params.yaml", "train.iql.expectile", 2, "(0, 1)", "change it")
    assert str(error) == (
        "params.yaml: train.iql.expectile: found 2, expected (0, 1); change it"
    )


@pytest.mark.parametrize("text", ["two\nlines", "two\r\n  lines", "two \t lines"])
def test_no_value_breaks_the_line(text: str):
    error = RefusedError(text, text, text, text, text)
    assert str(error) == (
        "two lines: two lines: found two lines, expected two lines; two lines"
    )


def test_long_values_and_control_codes_do_not_reach_the_terminal():
    text = str(RefusedError("x", "name", "n" * 5000, "a\x1b[2Jname", "mend it"))
    assert len(text) < 1200
    assert "... (5000 letters)" in text
    assert r"a\x1b[2Jname" in text
