"""SAC-N: its equations and their order, its first weights, who is refused."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import build_model
from tasks.train.sac_n import SACN, SACNParams

from . import harness
from .point import point_return
from .soft import lively, tanh_gaussian


def improve(ref: harness.Reference) -> torch.Tensor:
    """Temperature, then actor with the new one; returns alpha."""
    a, log_pi = tanh_gaussian(ref, ref.o, ref.noise["current"])
    gap = -(log_pi.detach() - harness.A).mean()
    ref.step(("log_temperature",), (ref.t["log_temperature"] * gap).sum(), 3e-4)
    alpha = ref.t["log_temperature"].detach().exp()
    q = torch.stack(ref.q("critics", ref.o, a)).min(0).values
    ref.step(("actor",), (alpha * log_pi - q).mean(), 3e-4)
    return alpha


def target(ref: harness.Reference, alpha: torch.Tensor) -> torch.Tensor:
    """The backup with its entropy, over the actor as it is now."""
    a2, log_pi = tanh_gaussian(ref, ref.o2, ref.noise["next"])
    soft = torch.stack(ref.q("target", ref.o2, a2)).min(0).values - alpha * log_pi
    return (ref.r + 0.99 * (1 - ref.d) * soft).detach()


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equations(k: int):
    learner = lively(harness.make("sac_n", members=4))
    batch = harness.random_batch(learner)
    with torch.no_grad():  # not always the same critic is the smallest
        smallest = learner.critics(batch.observation, batch.action).argmin(1)
    assert len(smallest.unique()) > 2
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    y = target(ref, improve(ref))
    loss = sum(((q - y) ** 2).mean() for q in ref.q("critics", ref.o, ref.a))
    ref.step(("critics",), loss, 3e-4)
    ref.polyak("target", "critics", 0.005)
    ref.check()


def test_critic_loss_by_hand():
    params = SACNParams((), (), 0.99, 0.005, 3e-4, 1e-3, 1.0, 3, "none")
    learner = SACN(params, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.actor, [0.0, 0.0, 0.0, 0.0])
    harness.constant(learner.target, [3.0], [2.0], [2.5])
    harness.constant(learner.critics, [2.0], [3.0], [1.0])
    learner.optimisers["actor"].rate = 0.0
    zeros = [[0.0, 0.0], [0.0, 0.0]]
    batch = harness.two_rows([[0.5, 0], [0, -1]], next=zeros, current=zeros)
    found = learner.update(batch, 0)
    # log pi = -log(2 pi) at the mode; the entropy is above its goal -2, so the first
    # step of Adam lowers log alpha by its rate, and the backup has the new alpha
    entropy = 1.8378770664093453
    y = 1 + 0.99 * (2 + torch.tensor(-1e-3).exp().item() * entropy)
    truth = sum(((q - y) ** 2 + (q - 1) ** 2) / 2 for q in (2, 3, 1))
    assert found["critic_loss"].item() == pytest.approx(truth, rel=1e-6)


def test_first_weights():
    learner = harness.make("sac_n", (3, 1), members=4)
    alone = harness.make("sac_n", (1,), members=4)
    for net, bound in ((learner.actor, 1e-3), (learner.critics.net, 3e-3)):
        *hidden, last = net.layers
        assert all((layer.bias == 0.1).all() for layer in hidden)
        for tensor in (last.weight, last.bias):
            assert 0.7 * bound < tensor.abs().max() <= bound
    assert torch.equal(learner.critics.net.layers[-1].weight[4:], _last(alone))
    assert len(_last(learner).flatten(1).unique(dim=0)) == 8
    for own, kept in zip(
        learner.critics.parameters(), learner.target.parameters(), strict=True
    ):
        assert torch.equal(own, kept)


def test_hidden_weights_of_the_critics_start_as_wide_as_corls():
    learner = harness.make("sac_n", critic_hidden=[64, 16], members=10)
    for layer in learner.critics.net.layers[:-1]:
        widest = layer.weight.abs().max().item() * layer.outputs**0.5
        assert 0.98 < widest <= 1.00001


def _last(learner: Any) -> torch.Tensor:
    weight: torch.Tensor = learner.critics.net.layers[-1].weight
    return weight


@pytest.mark.parametrize("name", ["sac_n", "edac"])
def test_an_ensemble_of_one_is_refused(name: str):
    with pytest.raises(RefusedError, match="nobody to disagree with") as refused:
        harness.make(name, members=1)
    assert refused.value.field == f"train.{name}.members"


@pytest.mark.parametrize("name", ["sac_n", "edac", "cql"])
def test_exports_noise_as_an_input(name: str):
    learner = harness.make(name, **({} if name == "cql" else {"members": 2}))
    policy = lively(learner).policy().requires_grad_(requires_grad=False)
    assert policy.inputs() == {"observation": harness.O, "noise": harness.A}
    model = build_model(policy, 1).SerializeToString()
    session = onnxruntime.InferenceSession(model)
    g = torch.Generator().manual_seed(0)
    o, noise = (3 * torch.randn(1000, n, generator=g) for n in (harness.O, harness.A))
    for z in (noise, torch.zeros_like(noise)):
        inputs = {"observation": o.numpy(), "noise": z.numpy()}
        (found,) = session.run(None, inputs)
        truth = policy(o.expand(2, -1, -1), z.expand(2, -1, -1))[1]
        torch.testing.assert_close(torch.from_numpy(found), truth, atol=1e-5, rtol=0)


def test_learns_the_point():
    rates = {"actor_rate": 3e-3, "critic_rate": 3e-3}
    assert point_return("sac_n", 150, members=3, **rates) > -0.4


def test_same_as_every_learner(tmp_path: Path):
    small = {"members": 3, "actor_rate": 1e-3}
    harness.check_bootstrap("sac_n", **small)
    harness.check_engine("sac_n", tmp_path, **small)
    harness.check_refusals("sac_n", "target_entropy_scale", -1.0)
