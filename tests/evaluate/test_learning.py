"""The score on the way: what is played, what last and best mean."""

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.policy import save_policy
from tasks.artifacts.sealed import write_sealed
from tasks.evaluate.learning import Learning, LearningParams
from tasks.evaluate.learning.__main__ import main
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.worlds import World

ROOT = Path(__file__).parents[2]


def world(name: str, **override: Any) -> World:
    block = yaml.safe_load((ROOT / f"params/world/{name}.yaml").read_text())
    found: World = build(block | override, "world")
    return found


def policy(where: World, weights: list[float]) -> Feedforward:
    """One linear layer a seed, all its weights the same number."""
    (o,), (a,) = where.observation_space.shape or (0,), where.action_space.shape
    layer = Linear(len(weights), o, a)
    for k, weight in enumerate(weights):
        layer.weight.data[k] = weight
    low, high = map(torch.from_numpy, (where.action_space.low, where.action_space.high))
    return Feedforward([layer], "tanh", torch.zeros(o), torch.ones(o), low, high)


def learning(**override: Any) -> Learning:
    block = yaml.safe_load((ROOT / "params/evaluate/learning.yaml").read_text())
    del block["_target_"]
    return Learning(LearningParams.parse(block | override, "evaluate.learning"))


def test_a_slice_plays_as_alone():
    where = world("hopper", max_steps=40)
    method = learning(episodes=3)
    both = method.returns(where, policy(where, [0.3, -0.2]))
    alone = method.returns(where, policy(where, [-0.2]))
    assert both.shape == (2, 3)
    assert len(np.unique(both)) == 6
    np.testing.assert_allclose(both[1], alone[0], rtol=1e-6)


def test_returns_are_the_worlds():
    """Against Gymnasium's own environment, step by step."""
    where = world("pendulum", max_steps=30)
    acting = policy(where, [0.5])
    (found,) = learning(episodes=1, start_seed=5).returns(where, acting)
    env = gymnasium.make("Pendulum-v1")
    seen, _ = env.reset(seed=5)
    total = 0.0
    for _ in range(30):
        with torch.no_grad():
            action = acting(torch.from_numpy(seen)[None, None])[0, 0].numpy()
        seen, reward, *_ = env.step(action)
        total += float(reward)
    assert found[0] == pytest.approx(total, rel=1e-4)


def test_last_and_best():
    rows = {
        10: np.array([[5.0, 7.0], [0.0, 2.0]]),
        20: np.array([[1.0, 1.0], [8.0, 10.0]]),
        30: np.array([[2.0, 4.0], [3.0, 3.0]]),
    }
    told = learning().summary(rows)
    assert told["last"]["mean"] == 3.0
    assert told["last"]["per_seed"] == [3.0, 3.0]
    assert told["best"]["mean"] == 7.5
    assert told["best"]["per_seed"] == [6.0, 9.0]
    assert told["best"]["updates"] == [10, 20]
    assert told["best"]["low"] <= told["best"]["iqm"] <= told["best"]["high"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    block = yaml.safe_load((ROOT / "params/evaluate/learning.yaml").read_text())
    params = {"evaluate": {"learning": block | {"episodes": 2}}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    pendulum = yaml.safe_load((ROOT / "params/world/pendulum.yaml").read_text())
    folder = Path("data/datasets/tiny-v0")
    folder.mkdir(parents=True)
    write_sealed(
        folder / "world.json", {"schema": 2, "world": pendulum | {"max_steps": 20}}
    )
    monkeypatch.setattr(sys, "argv", ["x", "--dataset", "tiny", "--learner", "bc"])
    return tmp_path


def test_the_command_writes_every_moment(project: Path):
    where = world("pendulum")
    for update in (5, 10):
        folder = project / f"data/policies/tiny/bc/snapshots/{update}"
        folder.mkdir(parents=True)
        made = policy(where, [0.1 * update, -0.1])
        save_policy(folder, made, {"seeds": [7, 3], "updates": update})
    main()
    out = project / "data/evaluations/tiny/bc/snapshots"
    table = pd.read_csv(out / "returns.csv")
    assert list(table) == ["update", "seed", "episode", "start_seed", "return"]
    assert table["update"].tolist() == [5] * 4 + [10] * 4
    assert table["seed"].tolist() == [7, 7, 3, 3] * 2
    same = table[table["seed"] == 3].groupby("update")["return"].apply(list)
    assert same[5] == same[10]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["seeds"] == [7, 3]
    last = table[table["update"] == 10]["return"]
    assert metrics["last"]["mean"] == pytest.approx(last.mean())


def keep(project: Path, made: Feedforward, seeds: list[int]) -> None:
    folder = project / "data/policies/tiny/bc/snapshots/5"
    folder.mkdir(parents=True)
    save_policy(folder, made, {"seeds": seeds, "updates": 5})


def test_actions_outside_the_worlds_bounds_are_refused(project: Path):
    made = policy(world("pendulum"), [0.1])
    made.action_scale *= 3
    keep(project, made, [0])
    with pytest.raises(RefusedError, match=r"snapshots/5: action: found .* step \d+"):
        main()
    assert not (project / "data/evaluations").exists()


def test_a_policy_of_another_world_is_refused(project: Path):
    keep(project, policy(world("hopper"), [0.1]), [0])
    with pytest.raises(RefusedError, match=r"inputs.observation: found 11, expected 3"):
        main()


@pytest.mark.parametrize("seeds", [[], [0], [0, 0], [0, 1, 2]])
def test_seeds_that_are_not_those_of_the_stack_are_refused(
    project: Path, seeds: list[int]
):
    keep(project, policy(world("pendulum"), [0.1, 0.2]), seeds)
    with pytest.raises(RefusedError, match=r"origin.seeds: found"):
        main()


def test_without_snapshots_it_says_what_to_set(project: Path):
    with pytest.raises(RefusedError, match=r"study\.snapshots"):
        main()
    assert not (project / "data/evaluations").exists()
