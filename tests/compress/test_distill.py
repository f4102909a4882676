import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.nets.policy import take
from tests.compress.harness import (
    make_compressor,
    make_pendulum,
    make_policy,
    make_rows,
    onnx_difference,
    same_tensors,
)


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
def test_the_student_follows_the_teachers_mean(head: str):
    policy, rows = make_policy((32, 32), head), make_rows(512)
    compressor = make_compressor("distill", steps=250, states="data")
    student, report = compressor.compress(policy, rows)
    stacked = rows.observations.expand(3, -1, -1)
    error = (student(stacked) - policy(stacked)).square().mean()
    assert student.head == "tanh"
    assert error < 0.1 * policy(stacked).var()
    assert onnx_difference(student, rows.observations, "exact") <= 1e-5
    assert report["calibration"]["what"] == "teacher's actions, 250 updates"


def test_a_student_of_64_units_has_a_tenth_of_the_parameters():
    compressor = make_compressor("distill", hidden=[64, 64], steps=1)
    _, report = compressor.compress(make_policy((256, 256)), make_rows())
    assert report["parameters"] <= 0.1 * report["parameters_before"]


def test_rounds_add_states_the_student_visits():
    policy = make_policy((16, 16), observation=3, action=1)
    rows = make_rows(64, width=3, world=make_pendulum())
    changed = {"hidden": [8], "rounds": 2, "envs": 2, "visit_steps": 10, "steps": 5}
    _, report = make_compressor("distill", **changed).compress(policy, rows)
    # teacher's round and two of the student's, 2 x 10 states each
    assert report["calibration"]["what"].endswith(
        "beside the rows 60 visited states a seed"
    )


@pytest.mark.parametrize(
    ("states", "what"),
    [("data", "10 updates"), ("visited", "10 updates; on 40 visited states a seed")],
)
def test_it_learns_on_rows_alone_or_on_visits_alone(states: str, what: str):
    policy = make_policy((16, 16), observation=3, action=1)
    rows = make_rows(64, width=3, world=make_pendulum())
    changed = {"hidden": [8], "rounds": 1, "envs": 2, "visit_steps": 10, "steps": 5}
    compressor = make_compressor("distill", **changed, states=states)
    _, report = compressor.compress(policy, rows)
    assert report["calibration"]["what"].endswith(what)


def test_seed_k_alone_is_seed_k_of_the_stack():
    policy = make_policy((16, 16), observation=3, action=1)
    extra = {"width": 3, "world": make_pendulum()}
    changed = {"rounds": 1, "envs": 1, "visit_steps": 20, "steps": 20, "hidden": [8]}
    compressor = make_compressor("distill", **changed)
    stacked, _ = compressor.compress(policy, make_rows(**extra))
    alone, _ = compressor.compress(take(policy, 2), make_rows(seeds=(2,), **extra))
    again, _ = compressor.compress(policy, make_rows(**extra))
    assert same_tensors(stacked, again)
    for left, right in zip(take(stacked, 2).layers, alone.layers, strict=True):
        torch.testing.assert_close(left.weight, right.weight, rtol=1e-3, atol=1e-4)


def test_a_quantised_teacher_will_do():
    before, _ = make_compressor("int8_static").compress(
        make_policy((64, 64)), make_rows()
    )
    student, _ = make_compressor("distill", hidden=[8], steps=5).compress(
        before, make_rows()
    )
    assert [type(layer).__name__ for layer in student.layers] == ["Linear", "Linear"]


def test_a_student_as_large_as_its_teacher_is_refused():
    compressor = make_compressor("distill", hidden=[32, 32], steps=1)
    with pytest.raises(RefusedError, match="bytes of weights"):
        compressor.compress(make_policy((32, 32)), make_rows())
