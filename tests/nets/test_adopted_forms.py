"""What policies trained elsewhere have and ours do not: tanh, clips, a limit."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.feedforward import Feedforward
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    onnx_difference,
)

FORMS = {
    "tanh between layers": {"activation": "tanh"},
    "clipped observations": {"observation_limit": 1.5},
    "a limit before tanh": {"limit": 0.7},
    "a clip head": {"head": "clip", "activation": "tanh", "observation_limit": 2.0},
    "choices": {"head": "categorical", "activation": "tanh"},
}


def form(name: str) -> Feedforward:
    """A random policy of that form, three seeds."""
    own = {"head": "tanh"} | FORMS[name]
    policy = make_policy(head=own["head"])
    spec = policy.spec() | own
    other = Feedforward.from_spec(spec)
    other.load_state_dict(policy.state_dict())
    if own["head"] == "categorical":
        other.action_scale.fill_(0.5)
        other.action_offset.fill_(0.5)
    return other.requires_grad_(requires_grad=False)


def by_hand(policy: Feedforward, o: Tensor, limits: dict[str, float]) -> Tensor:
    x = (o - policy.observation_mean) / policy.observation_std
    if "observation_limit" in limits:
        x = x.clip(-limits["observation_limit"], limits["observation_limit"])
    first, second, last = policy.layers
    between = torch.tanh if policy.activation == "tanh" else torch.relu
    z = last(between(second(between(first(x)))))
    if policy.head == "categorical":
        return z.argmax(-1)
    if "limit" in limits:
        z = z.clip(-limits["limit"], limits["limit"])
    z = z.clip(-1, 1) if policy.head == "clip" else torch.tanh(z)
    return z * policy.action_scale + policy.action_offset


@pytest.mark.parametrize("name", FORMS)
def test_it_acts_as_its_formula_says(name: str):
    policy, o = form(name), make_rows().observations.expand(3, -1, -1)
    torch.testing.assert_close(policy(o), by_hand(policy, o, FORMS[name]))
    plain = Feedforward.from_spec(make_policy(head=policy.head).spec())
    plain.load_state_dict(policy.state_dict())
    assert not torch.equal(plain.preactivation(plain.normalise(o)), policy(o))


@pytest.mark.parametrize("name", FORMS)
def test_it_comes_back_from_disk(name: str, tmp_path: Path):
    policy, o = form(name), make_rows().observations.expand(3, -1, -1)
    save_policy(tmp_path, policy, {"seeds": [0, 1, 2]})
    loaded, _ = load_policy(tmp_path)
    assert torch.equal(loaded(o), policy(o))
    assert loaded.spec() == policy.spec()


@pytest.mark.parametrize("compressor", ["float32", "int8_static", "gptq4", "quest"])
@pytest.mark.parametrize("name", FORMS)
def test_what_compressors_make_of_it_acts_alike_in_onnxruntime(
    name: str, compressor: str
):
    policy, rows = form(name), make_rows(1000)
    changed = {"steps": 20} if compressor == "quest" else {}
    if compressor == "quest" and policy.activation == "tanh":
        with pytest.raises(RefusedError, match=r"policy\.activation: found tanh"):
            make_compressor(compressor, **changed).compress(policy, rows)
        return
    small, report = make_compressor(compressor, **changed).compress(policy, rows)
    assert isinstance(small, Feedforward)
    kept = ("activation", "observation_limit", "limit", "head")
    assert [getattr(small, key) for key in kept] == [
        getattr(policy, key) for key in kept
    ]
    check_onnx(small, rows.observations, report["mode"])


@pytest.mark.parametrize("compressor", ["structured", "distill"])
@pytest.mark.parametrize("name", FORMS)
def test_students_learn_its_actions(name: str, compressor: str):
    policy, rows = form(name), make_rows(1000)
    less, _ = make_compressor(compressor, steps=1).compress(policy, rows)
    more, report = make_compressor(compressor, steps=400).compress(policy, rows)
    o = rows.observations.expand(3, -1, -1)
    errors = [
        (small(o) != policy(o)).float().mean()
        if policy.discrete
        else (small(o) - policy(o)).square().mean()
        for small in (less, more)
    ]
    assert errors[1] < 0.7 * errors[0]
    check_onnx(more, rows.observations, report["mode"])


def check_onnx(policy: Feedforward, rows: Tensor, mode: str) -> None:
    """The gate that every export has to pass."""
    origin = {"step_seconds": 1, "world": "w", "env_id": "e", "dataset": "d"}
    origin |= {"dataset_sha256": "", "learner": "l", "made_by": [], "seeds": [0, 1, 2]}
    origin |= {"weights_sha256": "", "statistics_sha256": ""}
    contract = contract_of(policy, 1, origin, mode)
    model = build_model(policy, 1).SerializeToString()
    for tried in dict.fromkeys(("exact", mode)):
        opened = OnnxPolicy(model, contract, tried)
        draw = np.random.default_rng(0)
        check_parity(Path("p"), policy, 1, opened, rows.numpy(), draw, 1e-4)


def test_clipped_observations_are_no_part_of_the_first_layer():
    """Folded into its weights, a normaliser could not be clipped."""
    policy = form("clipped observations")
    far = torch.full((1, 11), 1e4)
    session = onnxruntime.InferenceSession(build_model(policy, 0).SerializeToString())
    action = session.run(["action"], {"observation": far.numpy()})[0]
    near = policy.observation_mean + 1.5 * policy.observation_std
    torch.testing.assert_close(
        torch.from_numpy(action), policy(near[None, None])[0, :1]
    )
    assert onnx_difference(policy, far, "exact") < 1e-5


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"activation": "mish"}, "unknown activation 'mish'"),
        ({"limit": 2.0, "head": "clip"}, "a clip head with a limit"),
    ],
)
def test_other_forms_are_refused(own: dict[str, str], words: str):
    with pytest.raises(ValueError, match=words):
        Feedforward.from_spec(make_policy().spec() | own)
