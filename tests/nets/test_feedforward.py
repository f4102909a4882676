import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import build_model
from tasks.artifacts.policy import load_policy, save_policy
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.nets.quantised import BlockLinear


def made(head: str) -> Feedforward:
    outputs = 6 if head == "gaussian" else 3
    net = MLP((0, 1), "actor", (4, 16, outputs))
    mean, std = torch.arange(4.0), torch.tensor([0.5, 1, 2, 4])
    low, high = torch.tensor([-1.0, -2, 0]), torch.tensor([1.0, 2, 8])
    policy = Feedforward(list(net.layers), head, mean, std, low, high)
    return policy.requires_grad_(requires_grad=False)


def rows() -> torch.Tensor:
    return 3 * torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))


def test_a_tanh_head_is_the_formula():
    policy, x = made("tanh"), rows()
    first, last = policy.layers
    y = (x - torch.arange(4.0)) / torch.tensor([0.5, 1, 2, 4])
    y = torch.tanh(last(torch.relu(first(y))))
    wanted = y * torch.tensor([1.0, 2, 4]) + torch.tensor([0.0, 0, 4])
    torch.testing.assert_close(policy(x), wanted)


def test_a_clip_head_cuts_at_the_bounds():
    policy, x = made("clip"), rows()
    z = policy.preactivation(policy.normalise(x))
    assert (z.abs() > 1).any()
    assert (z.abs() < 1).any()
    wanted = torch.where(z.abs() > 1, z.sign(), z)
    wanted = wanted * torch.tensor([1.0, 2, 4]) + torch.tensor([0.0, 0, 4])
    torch.testing.assert_close(policy(x), wanted)
    assert policy.inputs() == {"observation": 4}


def test_a_gaussian_head_adds_its_noise_before_tanh():
    policy, x = made("gaussian"), rows()
    noise = torch.ones(2, 9, 3)
    mean, log_std = policy.preactivation(policy.normalise(x)).chunk(2, -1)
    wanted = torch.tanh(mean + log_std.clamp(-5, 2).exp())
    torch.testing.assert_close(policy.squashed(policy.normalise(x), noise), wanted)
    still = policy(x, torch.zeros_like(noise))
    torch.testing.assert_close(still, policy(x))


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
def test_actions_keep_to_the_bounds_whatever_comes(head: str):
    action = made(head)(1e4 * rows())
    assert (action >= torch.tensor([-1.0, -2, 0])).all()
    assert (action <= torch.tensor([1.0, 2, 8])).all()


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_onnx_graph_acts_as_the_policy(head: str, scale: float):
    policy, x = made(head), scale * rows()
    noise = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1))
    wanted = policy(x, noise).numpy()
    for k in range(2):
        session = onnxruntime.InferenceSession(
            build_model(policy, k).SerializeToString(),
            providers=["CPUExecutionProvider"],
        )
        feed = {"observation": x[k].numpy(), "noise": noise[k].numpy()}
        feed = {i.name: feed[i.name] for i in session.get_inputs()}
        got = session.run(["action"], feed)[0]
        np.testing.assert_allclose(got, wanted[k], rtol=1e-5, atol=1e-5)
        assert set(feed) == set(policy.inputs())


def test_an_unknown_head_is_refused():
    with pytest.raises(ValueError, match="unknown head 'beta'"):
        Feedforward([], "beta", *[torch.zeros(1)] * 4)


def test_a_policy_of_integer_layers_comes_back_from_disk(tmp_path: Path):
    policy = made("tanh")
    layer = BlockLinear(2, 4, 16, 4, 16)
    layer.codes = torch.randint(-7, 8, (2, 16, 4))
    layer.scale.fill_(math.pi / 100)
    policy.layers[0] = layer
    save_policy(tmp_path, policy, {"seeds": [0, 1]})
    loaded, origin = load_policy(tmp_path)
    assert origin == {"seeds": [0, 1]}
    assert torch.equal(loaded(rows()), policy(rows()))
    assert loaded.spec() == policy.spec()


def test_layers_from_outside_are_refused():
    spec = made("tanh").spec()
    spec["layers"][0]["class"] = "torch.nn.Linear"
    with pytest.raises(
        RefusedError, match=r"torch.nn.Linear.*a class under tasks.nets"
    ):
        Feedforward.from_spec(spec)
