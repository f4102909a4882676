"""The policy that is told a descriptor: against its formula, its file, its fold."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.conditioned import Conditioned
from tasks.nets.layers import MLP
from tasks.nets.policy import stack, take

ORIGIN = {
    "seeds": [0, 1],
    "made_by": [],
    "learner": "made up",
    "dataset": "none",
    "dataset_sha256": "",
    "world": "none",
    "env_id": "none",
    "step_seconds": 0.1,
    "weights_sha256": "",
    "statistics_sha256": "",
}


def policy() -> Conditioned:
    """Two seeds; 3 observations, 2 actions, 2 descriptors."""
    return Conditioned(
        list(MLP([0, 1], "told", (5, 8, 2)).layers),
        torch.tensor([1.0, -2.0, 0.5]),
        torch.tensor([2.0, 0.5, 1.0]),
        torch.tensor([-1.0, 0.0]),
        torch.tensor([3.0, 1.0]),
        torch.tensor([-4.0, 10.0]),
        torch.tensor([4.0, 20.0]),
    ).requires_grad_(requires_grad=False)


def rows(count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(count, 3)).astype(np.float32)
    return seen, draw.uniform([-4, 10], [4, 20], (count, 2)).astype(np.float32)


def test_forward_is_its_formula():
    made, (x, d) = policy(), rows(7)
    first, last = made.layers
    for k in range(2):
        row = np.concatenate(
            [(x - [1, -2, 0.5]) / [2, 0.5, 1], (d - [0, 15]) / [4, 5]], axis=1
        )
        hidden = np.maximum(row @ first.weight[k].numpy() + first.bias[k].numpy(), 0)
        action = np.tanh(hidden @ last.weight[k].numpy() + last.bias[k].numpy())
        given = (torch.from_numpy(v).expand(2, -1, -1) for v in (x, d))
        found = made(*given)[k].numpy()
        np.testing.assert_allclose(found, action * [2, 0.5] + [1, 0.5], atol=1e-5)


def test_its_file_acts_as_it_does():
    made, (x, d) = policy(), rows()
    opened = OnnxPolicy(
        build_model(made, 1).SerializeToString(),
        contract_of(made, 1, ORIGIN, "exact"),
        "exact",
    )
    told = check_parity(
        Path("file"), made, 1, opened, x, np.random.default_rng(0), 1e-5
    )
    assert told["rows"] > 1000
    other = take(made, 0)
    with pytest.raises(RefusedError, match="parity"):
        check_parity(Path("file"), other, 0, opened, x, np.random.default_rng(0), 1e-5)
    assert opened.contract["inputs"]["descriptor"]["shape"] == ["batch", 2]
    acted = opened.step({"observation": x, "descriptor": d}, {})[0]["action"]
    elsewhere = opened.step({"observation": x, "descriptor": -d}, {})[0]["action"]
    assert np.abs(acted - elsewhere).max() > 0.1


def test_a_fold_is_the_policy_of_one_descriptor():
    made, (x, d) = policy(), rows(9)
    folded = made.fold(torch.from_numpy(d[4]))
    seen = torch.from_numpy(x).expand(2, -1, -1)
    wanted = made(seen, torch.from_numpy(d[4]).expand(2, 9, -1))
    torch.testing.assert_close(folded(seen), wanted, rtol=0, atol=1e-6)
    assert folded.inputs() == {"observation": 3}


def test_it_is_saved_and_stacked(tmp_path: Path):
    made, (x, d) = policy(), rows(5)
    save_policy(tmp_path, made, ORIGIN)
    again, _ = load_policy(tmp_path)
    together = stack([take(made, 0), take(made, 1)])
    given = [torch.from_numpy(v).expand(2, -1, -1) for v in (x, d)]
    assert torch.equal(again(*given), made(*given))
    assert torch.equal(together(*given), made(*given))
