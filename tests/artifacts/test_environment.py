import json
import os
from pathlib import Path

import pytest

from tasks.artifacts import environment
from tasks.artifacts.environment import PATH, check_environment, main
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json

CPUINFO = """processor\t: 0
model name\t: Some CPU
flags\t\t: fpu avx2 fma something

processor\t: 1
model name\t: Some CPU
flags\t\t: fpu avx2 fma something
"""


def test_it_says_what_numbers_depend_on():
    found = environment.environment(CPUINFO)
    assert found["cpu"] == {
        "model": "Some CPU",
        "cores": os.cpu_count(),
        "flags": ["avx2", "fma"],
    }
    assert found["packages"].keys() == set(environment.PACKAGES)
    assert None not in found["packages"].values()
    assert found["threads"] == 1


def test_a_machine_without_cpuinfo_has_no_flags():
    assert environment.environment("")["cpu"]["flags"] == []


def test_it_is_written_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    environment.main()
    os.utime(environment.PATH, (1, 1))
    environment.main()
    assert environment.PATH.stat().st_mtime == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    environment.main()
    assert environment.PATH.stat().st_mtime > 1
    assert read_json(environment.PATH, "make setup")["threads"] == 2


def test_the_file_must_be_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match="make it with: python -m tasks.art"):
        check_environment()
    for text, found in [("x", "content: "), ("[]", "cpu: "), ("{}", "cpu: found None")]:
        PATH.write_text(text)
        with pytest.raises(RefusedError, match=f"^environment.json: {found}"):
            check_environment()
    main()
    check_environment()
    content = json.loads(PATH.read_text())
    content["packages"]["torch"] = "0.1"
    PATH.write_text(json.dumps(content))
    with pytest.raises(RefusedError, match="environment.json: packages: found .*0.1"):
        check_environment()
