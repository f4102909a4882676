"""What the check of a study refuses of learners of tables."""

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.code.check import check


def test_to_a_learner_of_tables_less_can_be_done():
    params = yaml.safe_load(composed(["study=tables_smoke"]))
    check(params)
    params["study"]["curves"] = ["ucb1"]
    params["study"]["snapshots"] = 2
    with pytest.raises(RefusedError, match=r"study.curves: found ucb1, a learner of"):
        check(params)
    params["study"]["curves"] = []
    params["study"]["compressors"] = ["float32", "int8_static"]
    with pytest.raises(RefusedError, match=r"compressors: found int8_static beside"):
        check(params)
    params["study"]["compressors"] = ["float32"]
    params["study"]["steps"] = 0
    with pytest.raises(RefusedError, match=r"study.steps: found 0, expected more"):
        check(params)
