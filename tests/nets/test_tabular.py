"""Tables: the row of an observation, in torch and in onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.policy import stack, take
from tasks.nets.tabular import Table, Tabular

SIZES = (5, 4, 3)
ORIGIN = {
    "step_seconds": 1.0,
    "world": "w",
    "env_id": "e",
    "dataset": "d",
    "dataset_sha256": "x",
    "learner": "l",
    "made_by": [],
    "seeds": [0, 1],
    "weights_sha256": "",
    "statistics_sha256": "",
}


def made(sizes: tuple[int, ...] = SIZES) -> Tabular:
    table = Table(2, int(np.prod(sizes)), 6)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        table.values.normal_(generator=draw)
    return Tabular(table, sizes).requires_grad_(requires_grad=False)


def file(policy: Tabular, folder: Path, k: int = 1) -> OnnxPolicy:
    path = folder / "seed-1.onnx"
    contract = contract_of(policy, k, ORIGIN, "exact")
    write_onnx(path, build_model(policy, k), contract)
    return OnnxPolicy.open(path)


@pytest.mark.parametrize("sizes", [SIZES, (1,), (7,)])
def test_the_file_acts_as_the_table(sizes: tuple[int, ...], tmp_path: Path):
    """On whole numbers, on others, and far outside."""
    policy, draw = made(sizes), np.random.default_rng(0)
    opened = file(policy, tmp_path)
    rows = (4 * draw.normal(size=(1000, len(sizes)))).astype(np.float32)
    rows[:5] = np.array([0.5, 1.5, 2.5, 1e30, -1e30])[:, None]
    result = check_parity(tmp_path, policy, 1, opened, rows, draw, 1e-6)
    assert result["max"] == 0


def test_every_state_has_its_row(tmp_path: Path):
    policy = made()
    opened = file(policy, tmp_path)
    at = np.array(list(np.ndindex(SIZES)), np.float32)
    outputs, _ = opened.step({"observation": at}, {})
    np.testing.assert_array_equal(outputs["logits"], policy.table.values[1].numpy())
    assert opened.act(at).tolist() == policy.table.values[1].argmax(1).tolist()
    outside = np.array([[-3.0, 9, 1.2], [np.inf, -np.inf, 2]], np.float32)
    inside = np.array([[0, 3, 1], [4, 0, 2]], np.float32)
    assert opened.act(outside).tolist() == opened.act(inside).tolist()


def test_it_is_kept_and_stacked_like_any_policy(tmp_path: Path):
    policy = made()
    save_policy(tmp_path, policy, ORIGIN)
    again, _ = load_policy(tmp_path)
    assert torch.equal(again.table.values, policy.table.values)
    both = stack([take(policy, 1), take(policy, 0)])
    assert torch.equal(both.table.values, policy.table.values.flip(0))
    assert both.linears() == {}


def test_a_table_of_other_states_is_refused():
    with pytest.raises(ValueError, match="12 states for"):
        Tabular(Table(1, 12, 2), (5, 2))
