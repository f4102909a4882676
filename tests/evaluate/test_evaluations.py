"""Evaluations: counted where they happen, in the file that is asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_predictor import (
    OnnxPredictor,
    build_predictor,
    predictor_contract,
)
from tasks.artifacts.params import build
from tasks.evaluate.engine.answers import answers
from tests.compress.test_unroll import net, rows, unroll
from tests.predictors import dots, hashed, method, study


def opened(root: Path, policy: Any, k: int, **changes: Any) -> OnnxPredictor:
    contract = predictor_contract(policy, k, hashed(root, policy), "exact")
    model = build_predictor(policy, k).SerializeToString()
    return OnnxPredictor(model, {**contract, **changes}, "exact")


def metric(name: str) -> Any:
    return build(method("evaluate", name), f"evaluate.{name}")


def test_they_are_the_calls_of_the_file(tmp_path: Path):
    study(tmp_path)
    file, data = opened(tmp_path, net(), 0), dots(100).arrays
    counted = metric("evaluations").values(file, data)
    assert counted.shape == (4,)  # 32, 32, 32 and 4 rows
    assert file.calls == counted.sum() + 4  # and the last layer, once a batch
    assert ((counted - 2) % 6 == 0).all()


def test_the_solver_outside_gives_what_torch_gives(tmp_path: Path):
    study(tmp_path)
    policy, data = net(), dots(40).arrays
    right = policy.answer({n: torch.from_numpy(x) for n, x in data.items()})
    for k in (0, 1):
        logits = answers(opened(tmp_path, policy, k), data)["logits"]
        assert np.allclose(logits, right[k].numpy(), atol=1e-5)
    hits = metric("accuracy").values(opened(tmp_path, policy, 1), data)
    assert np.array_equal(hits, right[1].numpy().argmax(-1) == data["label"])


def test_an_unrolled_file_says_how_many_are_in_it(tmp_path: Path):
    study(tmp_path)
    small, _ = unroll().compress(net(), rows())
    file = opened(tmp_path, small, 0)
    counted = metric("evaluations").values(file, dots(40).arrays)
    assert counted.tolist() == [6.0 * small.steps] * 2
    assert file.calls == 0


@pytest.mark.parametrize("change", [{"end": "late"}, {"kind": "pde"}, {"end": 0.0}])
def test_a_flow_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any]):
    study(tmp_path)
    policy = net()
    told = {**policy.told()["solve"], **change}  # type: ignore[dict-item]
    file = opened(tmp_path, policy, 0, solve=told)
    with pytest.raises(RefusedError):
        metric("evaluations").values(file, dots(40).arrays)
