"""Returns: episodes, pairing, and the stage's command."""

import dataclasses
import json
import sys

import gymnasium
import numpy as np
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build
from tasks.artifacts.stage import run_stage
from tasks.evaluate import Episodes
from tasks.evaluate.__main__ import main
from tasks.evaluate.returns import play
from tests.variant_files import (
    DATASET,
    LEARNER,
    method,
    onnx_folder,
    policy,
    study,
    world,
    write,
)

GAINS = {"pendulum": [[0.3, -1, 0.2]], "hopper": np.full((3, 11), 0.05)}
HEADS = ("tanh", "gaussian")


def returns(**changes):
    return build(method("evaluate", "returns", **changes), "evaluate.returns")


def opened(tmp_path, where, head="tanh", seeds=1):
    gains = GAINS[where.params.name]
    files = write(tmp_path, policy(where, seeds, gains, head, 0.05), where, "float32")
    return {k: OnnxPolicy.open(path) for k, path in enumerate(files)}


def quiet(*_):
    """Progress that nobody watches."""


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["pendulum", "hopper"])
def test_equals_one_environment_at_a_time(tmp_path, name, head):
    """Gymnasium's own loop, one observation a call, gives the same episodes.

    Tolerance: onnxruntime may add in another order for another batch size, and 60
    chaotic steps let 1e-7 grow; 1e-3 of the return is asked for.
    """
    where = world(name, max_steps=60)
    acting = opened(tmp_path, where, head)[0]
    table = play(where.make(5), acting, 0, np.arange(5) + 7, quiet)
    env = gymnasium.make(where.params.env_id, max_episode_steps=60)
    for i in range(5):
        observation, _ = env.reset(seed=7 + i)
        total, length, ended = 0.0, 0, False
        while not ended:
            action = acting.act(observation[None])[0]
            observation, reward, terminated, truncated, _ = env.step(action)
            total, length = total + float(reward), length + 1
            ended = terminated or truncated
        assert table.length[i] == length
        assert table.terminated[i] == terminated
        assert table.returns[i] == pytest.approx(total, rel=1e-3)


def test_alone_equals_in_the_batch(tmp_path):
    """And live rows alone are shown to the policy, 1e-3 as above."""
    where = world("hopper")
    acting = opened(tmp_path, where)[0]
    shown = []
    act = acting.act
    acting.act = lambda rows: (shown.append(len(rows)), act(rows))[1]
    table = play(where.make(6), acting, 0, np.arange(6), quiet)
    assert sum(shown) == table.length.sum()
    assert len(set(table.length)) > 1
    for i in (5, 0, 3):
        alone = play(where.make(1), acting, 0, np.array([i]), quiet)
        assert alone.length[0] == table.length[i]
        assert alone.returns[0] == pytest.approx(table.returns[i], rel=1e-3)


def test_threads_change_nothing(tmp_path):
    where = world("hopper")
    policies = opened(tmp_path, where, seeds=2)
    one = returns(episodes=5, threads=1).run(where, policies, quiet)
    two = returns(episodes=5, threads=3).run(where, policies, quiet)
    for field in dataclasses.fields(Episodes):
        assert np.array_equal(getattr(one, field.name), getattr(two, field.name))


def test_every_seed_plays_the_same_starts(tmp_path):
    where = world("pendulum", max_steps=20)
    policies = opened(tmp_path, where, seeds=3)
    table = returns(episodes=4, start_seed=11).run(where, policies, quiet)
    assert table.seed.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table.episode.tolist() == [0, 1, 2, 3] * 3
    assert table.start_seed.tolist() == [11, 12, 13, 14] * 3
    assert len(np.unique(table.returns)) == 12
    alone = returns(episodes=4, start_seed=11).run(where, {2: policies[2]}, quiet)
    assert np.array_equal(alone.returns, table.returns[8:])


def test_limit_and_falls_are_told_apart(tmp_path):
    where = world("hopper", max_steps=25)
    files = write(tmp_path, policy(where, 1, np.full((3, 11), 3.0)), where, "float32")
    falls = play(where.make(4), OnnxPolicy.open(files[0]), 0, np.arange(4), quiet)
    assert falls.terminated.all()
    assert (falls.length < 25).all()
    files = write(tmp_path, policy(where, 1, np.zeros((3, 11))), where, "float32")
    stands = play(where.make(4), OnnxPolicy.open(files[0]), 0, np.arange(4), quiet)
    assert not stands.terminated.any()
    assert stands.length.tolist() == [25] * 4


def test_actions_that_are_not_finite_are_refused(tmp_path):
    where = world("hopper")
    acting = opened(tmp_path, where)[0]
    acting.act = lambda rows: np.full((len(rows), 3), np.nan, np.float32)
    with pytest.raises(RefusedError, match="not finite at step 0"):
        play(where.make(2), acting, 0, np.arange(2), quiet)


def test_summary(tmp_path):
    where = world("pendulum", max_steps=20)
    evaluator = returns(episodes=8)
    table = evaluator.run(where, opened(tmp_path, where, seeds=2), quiet)
    found = evaluator.summary(where, table)
    assert found["return"]["mean"] == pytest.approx(table.returns.mean())
    assert found["return"]["low"] <= found["return"]["iqm"] <= found["return"]["high"]
    score = where.score(np.array(found["return"]["iqm"]))
    assert found["score"]["iqm"] == pytest.approx(score)
    assert [row["seed"] for row in found["per_seed"]] == [0, 1]
    assert found["terminated"] == 0
    assert found["length_mean"] == 20


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"episodes": 0}, "evaluate.returns.episodes"),
        ({"start_seed": 2**20 - 1, "episodes": 2}, "below 1048576"),
        ({"mode": "fast"}, "one of auto, exact, native"),
        ({"confidence": 1.0}, r"\(0, 1\)"),
        ({"episode": 3}, "did you mean episodes"),
    ],
)
def test_bad_parameters_are_refused(changes, named):
    with pytest.raises(RefusedError, match=named):
        returns(**changes)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A study of two seeds, float32 exported; call it to run the stage."""
    monkeypatch.chdir(tmp_path)
    where = study(tmp_path)
    write(
        onnx_folder(tmp_path, "float32"),
        policy(where, 2, GAINS["pendulum"], noise=0.05),
        where,
        "float32",
    )

    def run(variant="float32", dataset=DATASET, learner=LEARNER):
        arguments = ["--dataset", dataset, "--learner", learner, "--variant", variant]
        monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
        return run_stage(main)

    run.root, run.world = tmp_path, where
    run.out = tmp_path / "data/evaluations" / DATASET / LEARNER / "float32"
    run.files = onnx_folder(tmp_path, "float32")
    return run


def test_stage_writes_the_same_bytes_again(place, capsys):
    assert place() == 0
    assert "return" in capsys.readouterr().out
    first = sha256(place.out)
    assert place() == 0
    assert sha256(place.out) == first
    assert sorted(p.name for p in place.out.iterdir()) == [
        "episodes.parquet",
        "metrics.json",
    ]


def test_stage_outputs(place):
    place()
    metrics = json.loads((place.out / "metrics.json").read_text())
    assert (metrics["world"], metrics["mode"]) == ("pendulum", "exact")
    assert (metrics["seeds"], metrics["episodes"]) == ([0, 1], 6)
    assert metrics["session"]["threads"] == 1
    table = Episodes.read(place.out / "episodes.parquet")
    assert table.returns.mean() == metrics["return"]["mean"]
    assert table.terminated.dtype == bool
    assert table.seed.dtype == table.start_seed.dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"world": "hopper"}, "world: found hopper, expected pendulum"),
        ({"env_id": "Pendulum-v0"}, "env_id: found Pendulum-v0"),
        ({"step_seconds": 0.1}, "step_seconds: found 0.1, expected 0.05"),
        ({"carry": {"h": {}}}, "carry"),
        ({"seed": 7}, "seed: found 7, expected 0"),
        ({"variant": "int8_static"}, "variant: found int8_static"),
        ({"learner": "iql"}, "learner: found iql, expected bc"),
        ({"dataset": {"name": "other", "sha256": "0"}}, "dataset.name: found other"),
        (
            {"outputs": {"action": {"shape": ["batch", 2], "low": [-2], "high": [2]}}},
            "outputs.action.shape",
        ),
        (
            {"outputs": {"action": {"shape": ["batch", 1], "low": [-1], "high": [2]}}},
            "outputs.action.low",
        ),
    ],
)
def test_contract_that_does_not_fit_is_refused(place, capsys, changes, named):
    where = place.world
    write(place.files, policy(where, 2, GAINS["pendulum"]), where, "float32", **changes)
    assert place() == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not place.out.exists()


def test_policy_of_another_width_is_refused(place, capsys):
    hopper = world("hopper")
    files = write(place.files, policy(hopper, 2, GAINS["hopper"]), hopper, "float32")
    stated = {"world": "pendulum", "env_id": "Pendulum-v1", "step_seconds": 0.05}
    write(
        files[0].parent, policy(hopper, 2, GAINS["hopper"]), hopper, "float32", **stated
    )
    assert place() == 1
    assert (
        "inputs.observation.shape: found [11], expected [3]" in capsys.readouterr().err
    )


def test_wrong_hash_is_refused(place, capsys):
    with (place.files / "seed-1.onnx").open("ab") as stream:
        stream.write(b"\0")
    assert place() == 1
    assert "seed-1.onnx: sha256" in capsys.readouterr().err
    assert not place.out.exists()


def test_missing_file_is_refused(place, capsys):
    (place.files / "seed-1.onnx").unlink()
    assert place() == 1
    assert "python -m tasks.export --dataset swings" in capsys.readouterr().err


def test_missing_dataset_is_refused(place, capsys):
    (place.root / "data/datasets/swings-v0/world.json").unlink()
    assert place() == 1
    assert "python -m tasks.generate --dataset swings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ({"variant": "int8"}, "did you mean int8_static?"),
        ({"learner": "bd"}, "did you mean bc?"),
        ({"dataset": "swing"}, "did you mean swings?"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(place, capsys, given, nearest):
    assert place(**given) == 1
    assert nearest in capsys.readouterr().err


def test_failure_keeps_the_old_output(place, monkeypatch):
    place()
    before = sha256(place.out)
    monkeypatch.setattr("tasks.evaluate.returns.TELL_EVERY", 0)
    with pytest.raises(ZeroDivisionError):
        place()
    assert sha256(place.out) == before


def test_mode_can_be_asked_for(place):
    path = place.root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["evaluate"]["returns"]["mode"] = "native"
    path.write_text(yaml.safe_dump(params))
    assert place() == 0
    assert json.loads((place.out / "metrics.json").read_text())["mode"] == "native"


def test_a_table_that_is_none_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="expected a file"):
        Episodes.read(tmp_path / "episodes.parquet")
    (tmp_path / "episodes.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(RefusedError, match="expected parquet"):
        Episodes.read(tmp_path / "episodes.parquet")
