"""The categorical head: masked logits, the number of the best, in torch and ONNX."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.ends import FORBIDDEN
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP

ORIGIN = {
    "seeds": [0, 1],
    "made_by": [],
    "learner": "bc",
    "dataset": "some",
    "dataset_sha256": "0",
    "world": "taxi",
    "env_id": "Taxi-v4",
    "step_seconds": 1.0,
    "weights_sha256": "0",
    "statistics_sha256": "0",
}


def made(masked: bool = True) -> Feedforward:
    net = MLP((0, 1), "actor", (4, 16, 5))
    mean, std = torch.arange(4.0), torch.tensor([0.5, 1, 2, 4])
    bounds = torch.zeros(5), torch.ones(5)
    policy = Feedforward(
        list(net.layers), "categorical", mean, std, *bounds, masked=masked
    )
    return policy.requires_grad_(requires_grad=False)


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    legal = (torch.rand(2, 40, 5, generator=g) < 0.4).float()
    legal[..., 3] = 1
    return 3 * torch.randn(2, 40, 4, generator=g), legal


def opened(policy: Feedforward, folder: Path) -> OnnxPolicy:
    path = folder / "seed-1.onnx"
    write_onnx(path, build_model(policy, 1), contract_of(policy, 1, ORIGIN, "exact"))
    return OnnxPolicy.open(path)


def test_the_best_allowed_logit_is_taken():
    policy, (x, legal) = made(), rows()
    outputs, carry = policy.step({"observation": x, "legal": legal}, {})
    free = policy.preactivation(policy.normalise(x))
    assert carry == {}
    assert torch.equal(outputs["logits"][legal == 1], free[legal == 1])
    assert (outputs["logits"][legal == 0] == FORBIDDEN).all()
    for k in range(2):
        for i in range(40):
            allowed = [a for a in range(5) if legal[k, i, a]]
            best = max(allowed, key=lambda a, k=k, i=i: float(free[k, i, a]))
            assert outputs["action"][k, i] == best
    assert torch.equal(policy(x, legal=legal), outputs["action"])
    assert not torch.equal(policy(x), outputs["action"])


@pytest.mark.parametrize("masked", [True, False])
def test_the_file_says_and_does_the_same(masked: bool, tmp_path: Path):
    policy, (x, legal) = made(masked), rows()
    onnx = opened(policy, tmp_path)
    assert onnx.contract["outputs"] == {
        "action": {"shape": ["batch"], "dtype": "int64", "n": 5},
        "logits": {"shape": ["batch", 5], "dtype": "float32"},
    }
    assert ("legal" in onnx.contract["inputs"]) == masked
    given = {"observation": x[1].numpy(), "legal": legal[1].numpy()}
    found, _ = onnx.step(given, {})
    wanted = policy.step({"observation": x, "legal": legal}, {})[0]
    np.testing.assert_allclose(found["logits"], wanted["logits"][1], atol=1e-5)
    assert found["action"].dtype == np.int64
    assert np.array_equal(found["action"], wanted["action"][1])
    assert np.array_equal(onnx.act(x[1].numpy()), policy(x)[1])  # no mask allows all


def test_a_mask_that_forbids_everything_is_refused(tmp_path: Path):
    policy, (x, legal) = made(), rows()
    legal[1, 7] = 0
    given = {"observation": x, "legal": legal}
    with pytest.raises(RefusedError, match="legal, row 47.*forbids every action"):
        policy.step(given, {})
    onnx = opened(policy, tmp_path)
    with pytest.raises(RefusedError, match="legal, row 7.*forbids every action"):
        onnx.step({name: value[1].numpy() for name, value in given.items()}, {})


def test_it_is_saved_with_its_mask(tmp_path: Path):
    for masked in (True, False):
        policy, (x, legal) = made(masked), rows()
        (tmp_path / str(masked)).mkdir()
        save_policy(tmp_path / str(masked), policy, ORIGIN)
        again, _ = load_policy(tmp_path / str(masked))
        assert again.inputs() == policy.inputs()
        assert torch.equal(again(x, legal=legal), policy(x, legal=legal))


def test_only_a_categorical_head_has_a_mask():
    layers, one = list(MLP((0,), "actor", (4, 5)).layers), torch.ones(5)
    with pytest.raises(ValueError, match="tanh head with a mask"):
        Feedforward(
            layers, "tanh", torch.zeros(4), torch.ones(4), -one, one, masked=True
        )


def test_parity_compares_logits_and_actions(tmp_path: Path):
    policy = made()
    onnx = opened(policy, tmp_path)
    real = rows()[0][0].numpy()
    path, draw = tmp_path / "seed-1.onnx", np.random.default_rng(0)
    told = check_parity(path, policy, 1, onnx, real, draw, 1e-4)
    assert told["max"] < 1e-5
    with pytest.raises(RefusedError, match="parity.*a difference of"):
        check_parity(path, policy, 0, onnx, real, draw, 1e-4)


def test_parity_refuses_another_choice_of_the_same_logits(tmp_path: Path):
    """The mistake a graph can make that no logit shows: the wrong end of the order."""
    policy = made()
    model = build_model(policy, 1)
    (choice,) = [node for node in model.graph.node if node.op_type == "ArgMax"]
    choice.op_type = "ArgMin"
    contract = contract_of(policy, 1, ORIGIN, "exact")
    wrong = OnnxPolicy(model.SerializeToString(), contract, "exact")
    real, draw = rows()[0][0].numpy(), np.random.default_rng(0)
    with pytest.raises(RefusedError, match="other actions in onnxruntime"):
        check_parity(tmp_path / "x.onnx", policy, 1, wrong, real, draw, 1e-4)


def test_near_ties_may_fall_either_way(tmp_path: Path):
    """Two equal logits but for rounding: no error, whichever is taken."""
    policy = made(masked=False)
    last = policy.layers[-1]
    with torch.no_grad():
        last.weight[...] = last.weight[..., :1]
        last.bias[...] = last.bias[..., :1]
        last.bias[..., 4] += 1e-6
    onnx = opened(policy, tmp_path)
    real, draw = rows()[0][0].numpy(), np.random.default_rng(0)
    check_parity(tmp_path / "x.onnx", policy, 1, onnx, real, draw, 1e-4)


def test_a_contract_of_another_type_is_refused(tmp_path: Path):
    policy = made()
    contract = contract_of(policy, 1, ORIGIN, "exact")
    contract["outputs"]["action"]["dtype"] = "float32"
    path = tmp_path / "seed-1.onnx"
    write_onnx(path, build_model(policy, 1), contract)
    with pytest.raises(RefusedError, match="outputs.action.low: found None"):
        OnnxPolicy.open(path)


def test_the_graph_runs_where_no_tool_of_ours_is():
    x, legal = rows()
    session = onnxruntime.InferenceSession(
        build_model(made(), 0).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {"observation": x[0].numpy(), "legal": legal[0].numpy()}
    (action,) = session.run(["action"], feed)
    assert action.shape == (40,)
    assert (legal[0].numpy()[np.arange(40), action] == 1).all()
