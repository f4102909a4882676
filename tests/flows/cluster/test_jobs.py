"""What a worker hands back is compared with what it was asked for."""

from dataclasses import replace
from typing import Any

import pytest

from flows.cluster.jobs import Data, Job, Result, check_result
from tasks.artifacts.errors import RefusedError

JOB = Job(
    "make",
    definition={"cmd": "cp a b", "deps": ["a", "code.py"], "outs": ["b"]},
    code={"code.py": "1"},
    sources={},
    params={"params.yaml": {"rate": 0.5}},
    data={"a": Data("2")},
    outs=["b"],
    rev="abc",
    home="machine:folder",
    edited={},
)
ENTRY: dict[str, Any] = {
    "cmd": "cp a b",
    "deps": [{"path": "a", "md5": "2"}, {"path": "code.py", "md5": "1"}],
    "params": {"params.yaml": {"rate": 0.5}},
    "outs": [{"path": "b", "md5": "3"}],
}


def test_an_entry_of_the_job_passes():
    check_result(JOB, Result("completed", "", entry=ENTRY))
    entry = {key: ENTRY[key] for key in ("cmd", "deps", "outs")}
    check_result(replace(JOB, params={}), Result("completed", "", entry=entry))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("cmd", "cp a b && rm a", "cmd"),
        ("deps", [{"path": "a", "md5": "2"}], "deps"),
        ("deps", [{"path": "a", "md5": "9"}, ENTRY["deps"][1]], "deps"),
        ("params", {"params.yaml": {"rate": 0.6}}, "params"),
        ("outs", [{"path": "c", "md5": "3"}], "outs"),
        ("outs", [{"path": "b"}], "outs"),
    ],
)
def test_an_entry_of_something_else_is_refused(key: str, value: Any, named: str):
    with pytest.raises(RefusedError, match=f"make: .*found another {named} than"):
        check_result(JOB, Result("completed", "", entry=ENTRY | {key: value}))
