"""OFQL: the average velocity, its derivative, its one call, and its equations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.nets.diffusion import ACTIVATIONS
from tasks.nets.forward_mode import along
from tasks.train.engine.loop import train
from tasks.train.engine.minibatches import batches
from tasks.train.ofql import average_velocity_loss

from . import harness
from .diffusing import DiffusionReference, spread
from .point import point_return
from .ring import clone, judge
from .test_dql import calls

# torch imports it with its forward mode
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
SMALL = {"time_width": 4, "clip_norm": 0.5, "average_from": 0, "time_scale": 3.0}


def drawn(seed: int = 0, rows: int = 6) -> tuple[Tensor, ...]:
    """action, noise, r, t in float64 of one seed."""
    g = torch.Generator().manual_seed(seed)
    action = torch.randn(1, rows, 2, generator=g, dtype=torch.float64).tanh()
    noise = torch.randn(1, rows, 2, generator=g, dtype=torch.float64)
    times = torch.rand(2, 1, rows, generator=g, dtype=torch.float64)
    return action, noise, times.amin(0), times.amax(0)


def plain(actor: Any, o: Tensor, x: Tensor, *times: Tensor) -> Tensor:
    """The policy's network in float64, which itself gives float32."""
    embedded = [
        embedding(time * actor.time_scale)
        for embedding, time in zip(actor.embeddings, times, strict=True)
    ]
    y = torch.cat([x, *embedded, o], -1)
    for layer in actor.layers[:-1]:
        y = ACTIVATIONS[actor.activation](layer(y))
    return actor.layers[-1](y)


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("step", [0, 3])
def test_a_step_is_the_equations(k: int, step: int):
    """The time derivative by differences in float64, not by forward mode."""
    learner = harness.make("ofql", eta=0.7, flow_ratio=0.4, **SMALL)
    spread(learner)
    batch = harness.random_batch(learner)
    batch.noise["choice"].clamp_(-1, 0.99)
    ref = DiffusionReference(learner, k, batch)
    learner.update(batch, step)
    p = learner.params

    def u(name: str, o: Tensor, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return ref.predict(name, o, x, 3.0 * t, 3.0 * r)

    def imitation() -> Tensor:
        times = torch.sigmoid(-0.4 + 1.0 * ref.noise["times"][..., 0])
        r, t = times.amin(1), times.amax(1)
        r = torch.where((ref.noise["choice"][:, 0, 0] + 1) / 2 < 0.4, t, r)
        assert 0 < int((r == t).sum()) < len(t)
        eps = ref.noise["noise"]
        x, v = (1 - t)[:, None] * ref.a + t[:, None] * eps, eps - ref.a
        h = 1e-6
        with torch.no_grad():
            up = u("actor", ref.o, x + h * v, r, t + h)
            down = u("actor", ref.o, x - h * v, r, t - h)
            target = v - (t - r)[:, None] * (up - down) / (2 * h)
        return ((u("actor", ref.o, x, r, t) - target) ** 2).mean()

    def sample(name: str, o: Tensor, noise: Tensor) -> Tensor:
        eps = noise[:, 0]
        ones = torch.ones(len(eps), dtype=torch.float64)
        return (eps - u(name, o, eps, 0 * ones, ones)).clamp(-1, 1)

    ref.update(imitation, sample, p, averaged=step == 0)
    ref.check()


@pytest.mark.parametrize("activation", ["mish", "silu", "relu"])
@pytest.mark.filterwarnings("ignore:OFQL differentiates")
def test_the_derivative_is_along_the_velocity_with_r_held(activation: str):
    """Against central differences, and against torch's forward mode."""
    learner = harness.make("ofql", (0,), activation=activation, time_scale=5.0)
    actor = learner.actor.double()
    o = torch.randn(1, 6, harness.O, dtype=torch.float64)
    action, noise, r, t = drawn()
    x, v = (1 - t)[..., None] * action + t[..., None] * noise, noise - action

    def network(x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return plain(actor, o, x, t, r)

    h, tangents = 1e-6, (v, torch.zeros_like(r), torch.ones_like(t))
    u, slope = along(actor, o, x, (t, r), v, (1.0, 0.0))
    said, exact = torch.func.jvp(network, (x, r, t), tangents)
    with torch.no_grad():
        up, down = (network(x + i * v, r, t + i) for i in (h, -h))
        moved = (network(x + h * v, r + h, t + h) - said) / h
    for one, other in ((u, said), (slope, exact), (slope, (up - down) / (2 * h))):
        torch.testing.assert_close(one.double(), other, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(moved, slope.double(), rtol=0.01)  # r would change it
    assert u.requires_grad
    assert not slope.requires_grad


def test_with_equal_times_it_is_flow_matching():
    """Also of its gradient: what the slope holds does not matter."""
    learner = harness.make("ofql", (0,), flow_ratio=1.0)
    batch = harness.random_batch(learner)
    batch.noise["choice"].clamp_(-1, 0.99)
    found = learner.imitation(batch)
    r, t = learner.times(batch)
    assert torch.equal(r, t)
    noise, time = batch.noise["noise"], t[..., None]
    x = (1 - time) * batch.action + time * noise
    said = learner.actor.network(batch.observation, x, t, t)
    matching = (said - (noise - batch.action)).square().mean((1, 2))
    torch.testing.assert_close(found, matching, atol=1e-6, rtol=0)
    weights = list(learner.actor.parameters())
    pairs = zip(
        torch.autograd.grad(found.sum(), weights),
        torch.autograd.grad(matching.sum(), weights),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_the_target_is_detached():
    """Its gradient is that of a fixed target, not that of the derivative too."""
    learner = harness.make("ofql", (0,), flow_ratio=0.0)
    batch = harness.random_batch(learner)
    o, (r, t) = batch.observation, learner.times(batch)
    v, time = batch.noise["noise"] - batch.action, t[..., None]
    x = (1 - time) * batch.action + time * batch.noise["noise"]

    def network(x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return plain(learner.actor, o, x, t, r)

    tangents = v, torch.zeros_like(r), torch.ones_like(t)
    u, slope = torch.func.jvp(network, (x, r, t), tangents)
    weights = list(learner.actor.parameters())
    found = torch.autograd.grad(learner.imitation(batch).sum(), weights)
    for fixed in (True, False):
        target = v - (t - r)[..., None] * (slope.detach() if fixed else slope)
        loss = (u - target).square().mean()
        truth = torch.autograd.grad(loss, weights, retain_graph=True)
        pairs = zip(found, truth, strict=True)
        same = [torch.allclose(a, b, atol=1e-5, rtol=1e-4) for a, b in pairs]
        assert all(same) == fixed


def test_every_action_costs_one_call():
    learner = harness.make("ofql")
    ahead, own = calls(learner.average), calls(learner.actor)
    learner.update(harness.random_batch(learner), 0)
    assert ahead == [16]  # a'
    assert own == [16, 16]  # imitation with its derivative; the action that climbs
    learner.policy()(torch.zeros(2, 5, harness.O))
    assert own[2:] == [5]


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_times_are_ordered_and_equal_for_a_share(ratio: float):
    learner = harness.make("ofql", (0, 1), flow_ratio=ratio)
    sample = batches(learner, harness.transitions(), 2000)
    r, t = learner.times(sample(3))
    assert bool((r <= t).all())
    assert float((r == t).float().mean()) == pytest.approx(ratio, abs=0.03)
    single = torch.cat([r[r < t], t[r < t]]) if ratio < 1 else t
    logits = torch.logit(single.double())
    if ratio == 0:
        assert float(logits.mean()) == pytest.approx(-0.4, abs=0.05)
        assert float(logits.std()) == pytest.approx(1.0, abs=0.05)


def jumped(flow_ratio: float) -> tuple[Tensor, Tensor]:
    """u(eps, 0, 1) after 800 updates on data N(m, s^2), and what is exact.

    The flow between two normals ends at m + s eps, so u = (1 - s) eps - m.
    """
    m, s, n = np.array([0.2, -0.3]), np.array([0.1, 0.4]), 8000
    action = m + s * np.random.default_rng(0).standard_normal((n, 2))
    data = harness.transitions(
        n,
        action=action.clip(-1, 1).astype(np.float32),
        action_low=-np.ones(2, np.float32),
        action_high=np.ones(2, np.float32),
    )
    small = {"actor_hidden": [48, 48], "time_scale": 3.0, "clip_norm": 0.0}
    learner = harness.make("ofql", (0,), 800, data, flow_ratio=flow_ratio, **small)
    sample = batches(learner, data, 128)
    for step in range(800):
        learner.optimisers["actor"].rate = 0.01 * (1 - step / 800)
        learner.descend("actor", learner.imitation(sample(step)))
    eps = torch.randn(1, 500, 2, generator=torch.Generator().manual_seed(1))
    o, ones = torch.zeros(1, 500, harness.O), torch.ones(1, 1)
    with torch.no_grad():
        u = learner.actor.network(o, eps, ones, 0 * ones)
    exact = eps - torch.from_numpy(m + s * eps.numpy())
    return u.double(), exact


def test_a_gaussian_is_jumped_to_exactly():
    """Of plain flow matching the network knows nothing of such jumps."""
    u, exact = jumped(0.5)
    assert float((u - exact).abs().mean()) < 0.1  # 0.05 where this was written
    assert float(exact.abs().mean()) > 0.5
    u, exact = jumped(1.0)
    assert float((u - exact).abs().mean()) > 0.3


def test_on_the_ring_average_velocity_beats_plain_flow():
    """The ablation in short; tests/train/ring.py has it at length."""
    quick = {"actor_hidden": [64, 64, 64], "actor_rate": 5e-3}
    found = {
        ratio: judge(clone(600, flow_ratio=ratio, **quick).actor)
        for ratio in (1.0, 0.5)
    }
    assert found[0.5].distance < 0.75 * found[1.0].distance  # 9.2 and 18.6
    assert found[0.5].near > 0.05 > found[1.0].near  # 0.11 and 0.01


def test_learns_the_point():
    found = point_return(
        "ofql",
        updates=300,
        actor_rate=3e-3,
        critic_rate=3e-3,
        average_from=0,
        average_every=1,
        average_decay=0.98,
        eta=3.0,
    )
    assert found > -0.35


def test_same_as_every_learner(tmp_path: Path):
    small: dict[str, Any] = {"average_from": 3}
    harness.check_bootstrap("ofql", **small)
    harness.check_engine("ofql", tmp_path, updates=20, **small)
    harness.check_refusals("ofql", "flow_ratio", 1.01)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flow_ratio", -0.1),
        ("eta", -1.0),
        ("n_candidates", 0),
        ("n_candidates", 2),
        ("time_std", 0.0),
        ("time_width", 7),
    ],
)
def test_bad_parameters_are_refused(field: str, value: Any):
    with pytest.raises(RefusedError) as refused:
        harness.make("ofql", **{field: value})
    assert refused.value.field == f"train.ofql.{field}"


def test_bad_input_is_refused():
    action, noise, r, t = drawn()
    with pytest.raises(RefusedError, match="a time r > t"):
        average_velocity_loss(noise, noise, noise - action, t, r)
    with pytest.warns(UserWarning, match="relu's slope jumps"):
        harness.make("ofql", activation="relu")
    data = harness.transitions()
    data.action[7] = 9
    learner = harness.make("ofql", data=data)
    with pytest.raises(RefusedError, match="action: found .* scaled"):
        train(learner, data, 2, batch=4)
