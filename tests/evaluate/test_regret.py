"""Regret of tables: computed from the file's actions, with its interval over trials."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.formats import Regret
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.typed_json import check_typed
from tasks.evaluate.engine.regret import regret
from tasks.nets.tabular import Table, Tabular
from tasks.worlds.cores.exact import Exact, check_solvable
from tests.nets.test_tabular import ORIGIN
from tests.worlds.harness import load


def files(folder: Path, best: list[list[int]], sizes: tuple[int, ...], **more: Any):
    """ONNX files of tables, a list of actions each, and where they lie."""
    table = Table(len(best), len(best[0]), 6)
    with torch.no_grad():
        for k, actions in enumerate(best):
            table.values[k, torch.arange(len(actions)), torch.tensor(actions)] = 1.0
    policy = Tabular(table, sizes)
    origin = {**ORIGIN, "seeds": list(range(len(best)))}
    origin |= {"learned": {"steps": 9, "states": len(best[0])}} | more
    paths = {k: folder / f"seed-{k}.onnx" for k in range(len(best))}
    for k, path in paths.items():
        write_onnx(
            path, build_model(policy, k), contract_of(policy, k, origin, "exact")
        )
    return {k: OnnxPolicy.open(path) for k, path in paths.items()}, paths


def test_it_is_what_is_missing_to_the_best_arm(tmp_path: Path):
    world = load("dynamical_linear_bandit")
    found = regret(world, *files(tmp_path, [[1], [0], [1]], (1,)))
    values = world.system.values
    assert found is not None
    check_typed(found, Regret, "metrics.json", "")
    assert [one["regret"] for one in found["per_seed"]] == [0, values[1] - values[0], 0]
    assert found["mean"] == pytest.approx((values[1] - values[0]) / 3)
    assert found["low"] < found["mean"] < found["high"]
    assert (found["unit"], found["replicate"], found["n"]) == (
        "reward a step",
        "trial",
        3,
    )
    assert found["optimum"] == values[1]


def test_one_trial_has_no_interval(tmp_path: Path):
    world = load("dynamical_linear_bandit")
    found = regret(world, *files(tmp_path, [[0]], (1,)))
    assert found is not None
    assert found["low"] == found["mean"] == found["high"] > 0


def test_what_is_no_table_has_none(tmp_path: Path):
    world = load("dynamical_linear_bandit")
    nothing = files(tmp_path, [[0]], (1,), learned={"steps": 9})
    assert regret(world, *nothing) is None


def test_a_table_of_another_world_is_refused(tmp_path: Path):
    made = files(tmp_path, [[0, 1, 2]], (3,))
    with pytest.raises(RefusedError, match=r"learned.states: found 3, expected 1, the"):
        regret(load("dynamical_linear_bandit"), *made)
    with pytest.raises(RefusedError, match="pendulum, which has no exact"):
        regret(load("pendulum"), *made)


def test_states_count_the_last_number_fastest():
    exact = Exact((2, 3), 4, 10.0, lambda table: float(table.sum()), "reward", "summed")
    assert exact.observations()[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert exact.regret(np.ones(6, np.int64)) == 4
    assert exact.regret(np.full(6, 3)) == 0  # rounding may exceed the optimum


def test_a_world_too_large_to_solve_is_refused():
    check_solvable("w", "horizon", 10, 10)
    with pytest.raises(RefusedError, match=r"world.w.horizon: found 1e\+10 numbers"):
        check_solvable("w", "horizon", 10**10, 10**8)
