"""Decision Transformer: its equations, its windows, its clip, and that it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_carried_parity
from tasks.artifacts.windows import returns_to_go
from tasks.train.cores.sequences import Dropout, Sequences
from tasks.train.engine.loop import train
from tasks.train.engine.minibatches import batches
from tests.artifacts.test_onnx_policy import ORIGIN

from . import harness

SMALL: dict[str, Any] = {
    "context": 4,
    "width": 8,
    "blocks": 2,
    "episode_steps": 40,
    "warm_up": 5,
    "rate": 1e-3,
}


def make(*arguments: Any, **override: Any) -> Any:
    return harness.make("dt", *arguments, **{**SMALL, **override})


def batch(learner: Any, rows: int = 6) -> Sequences:
    """Random windows; the second one has two steps, the rest is padding."""
    draw = torch.Generator().manual_seed(5)
    shape = (len(learner.seeds), rows, 4)
    normal = lambda n: torch.randn(*shape, n, generator=draw)  # noqa: E731
    valid = torch.ones(shape)
    valid[:, 1, 2:] = 0
    time = torch.randint(0, 36, shape[:2], generator=draw)[..., None] + torch.arange(4)
    return Sequences(normal(1), normal(3), normal(2).tanh(), time, valid)


def plain_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight[0] + bias[0]


class Plain:
    """One seed's transformer in float64, from its weights alone; one head."""

    def __init__(self, learner: Any, k: int) -> None:
        named = learner.actor.named_parameters()
        self.t = {n: p.detach()[k].double().requires_grad_() for n, p in named}
        self.blocks = len(learner.actor.blocks)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.t[f"{name}.weight"] + self.t[f"{name}.bias"][0]

    def norm(self, x: Tensor, name: str) -> Tensor:
        return plain_norm(x, self.t[f"{name}.weight"], self.t[f"{name}.bias"])

    def predict(self, b: Sequences, k: int, drop: Any) -> Tensor:
        """(B, K, A); ``drop`` in the order the paper's dropouts come."""
        n = b.timestep.shape[2]
        time = self.t["embed_time.weight"][b.timestep[k]]  # (B, K, W)
        parts = ("return", b.returns), ("observation", b.observation)
        x = torch.stack(
            [
                self.linear(part[k].double(), f"embed_{name}") + time
                for name, part in (*parts, ("action", b.action))
            ],
            dim=2,
        ).flatten(1, 2)  # (B, 3K, W)
        x = drop(self.norm(x, "norm"))
        causal = torch.ones(3 * n, 3 * n).tril().bool()
        for i in range(self.blocks):
            name, last = f"blocks.{i}", i == self.blocks - 1
            h = self.norm(x, f"{name}.norm1")
            y = self.linear(h, f"{name}.project")
            mask = causal
            if last:
                x, h, mask = x[:, 1::3], h[:, 1::3], causal[1::3]
                q, (key, v) = self.linear(h, f"{name}.query"), y.chunk(2, -1)
            else:
                q, key, v = y.chunk(3, -1)
            scores = q @ key.transpose(1, 2) / q.shape[-1] ** 0.5
            scores = scores.masked_fill(~mask, -torch.inf)
            y = self.linear(drop(scores.softmax(-1)) @ v, f"{name}.out")
            x = x + drop(y)
            h = self.linear(self.norm(x, f"{name}.norm2"), f"{name}.up")
            h = h * 0.5 * (1 + torch.erf(h / 2**0.5))
            x = x + drop(self.linear(h, f"{name}.down"))
        return torch.tanh(self.linear(self.norm(x, "norm_out"), "head"))


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize(("step", "clip"), [(0, 0.25), (2, 1e-3), (9, 1e3)])
def test_a_step_is_the_equations(k: int, step: int, clip: float):
    learner = make(clip=clip)
    with torch.no_grad():
        for parameter in learner.actor.parameters():
            parameter.mul_(5)
    b, plain = batch(learner), Plain(learner, k)
    words = np.random.default_rng([learner.seeds[k], step, 1])

    def drop(x: Tensor) -> Tensor:
        kept = np.frombuffer(words.bytes(2 * x.numel()), np.uint16) >= 6554
        return x * torch.from_numpy(kept).view(x.shape) * (65536 / (65536 - 6554))

    found = learner.update(b, step)
    error = (plain.predict(b, k, drop) - b.action[k].double()) ** 2
    steps = [(i, j) for i in range(6) for j in range(4) if b.valid[k, i, j]]
    loss = torch.stack([error[i, j].mean() for i, j in steps]).mean()
    gradients = torch.autograd.grad(loss, list(plain.t.values()))
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    assert len(steps) == 22
    assert found["actor_loss"][k].item() == pytest.approx(loss.item(), rel=1e-5)
    assert found["gradient_norm"][k].item() == pytest.approx(norm.item(), rel=1e-5)
    rate = 1e-3 * min(1, (step + 1) / 5)
    largest = max(float(g.abs().max()) for g in gradients)
    cut = min(1.0, clip / norm.item())
    for (name, before), g in zip(plain.t.items(), gradients, strict=True):
        own = learner.actor.get_parameter(name)
        kept = own.grad[k].double()
        torch.testing.assert_close(kept, cut * g, atol=1e-5 * cut * largest, rtol=0)
        # the first step of Adam goes g / (|g| + eps); decay comes first
        moved = before.detach() * (1 - rate * 1e-4) - rate * kept / (kept.abs() + 1e-8)
        torch.testing.assert_close(own[k].detach().double(), moved, atol=1e-5, rtol=0)


def test_loss_by_hand():
    """Two rows, the second with one step; a head of zeros answers 0."""
    learner = make((0,), dropout=0.0)
    with torch.no_grad():
        learner.actor.head.weight.zero_()
    b = batch(learner, 2)
    b.action.fill_(9)  # padding
    b.action[0, 0, :, :] = torch.tensor([[1, 0], [0, 0], [0.5, 0.5], [0, -1]])
    b.action[0, 1, 0] = torch.tensor([0, 0.5])
    b.valid[0, 1] = torch.tensor([1.0, 0, 0, 0])
    found = learner.update(b, 0)["actor_loss"].item()
    assert found == pytest.approx((1 + 0 + 0.5 + 1 + 0.25) / 2 / 5)


def test_windows_are_stretches_of_episodes():
    data = harness.transitions()
    data.episode = np.repeat([0, 1, 2], [50, 6, 40])
    learner = make(data=data, episode_steps=50)
    to_go = returns_to_go(data)
    assert to_go[49] == data.reward[49]
    assert to_go[50] == pytest.approx(data.reward[50:56].sum(dtype=float))
    sample, starts = batches(learner, data, 64 * learner.params.context), []
    scaled = (data.observation - data.observation_mean) / data.observation_std
    for update in (0, 255, 256, 300):
        b = sample(update)
        for s in range(2):
            for i in range(64):
                o = b.observation[s, i].numpy()
                start = int(np.abs(scaled - o[0]).sum(1).argmin())
                left = int((data.episode[start:] == data.episode[start]).sum())
                held = min(4, left)
                starts.append(start)
                assert b.valid[s, i].tolist() == [1.0] * held + [0.0] * (4 - held)
                rows = slice(start, start + held)
                np.testing.assert_allclose(o[:held], scaled[rows], atol=1e-6)
                returns = b.returns[s, i, :held, 0].numpy()
                np.testing.assert_allclose(returns, 1e-3 * to_go[rows], atol=1e-6)
                first = start - int((data.episode < data.episode[start]).sum())
                assert b.timestep[s, i, :held].tolist() == [*range(first, first + held)]
    counts = np.bincount(starts, minlength=96)
    # 512 uniform draws of 96 rows: an episode's share is its length's
    shares = np.bincount(data.episode, counts) / 512
    np.testing.assert_allclose(shares, np.array([50, 6, 40]) / 96, atol=0.07)


def test_dropout_keeps_to_its_seed_update_and_rate():
    x = torch.ones(2, 300, 100)
    pair = Dropout((3, 1), 0.1, 7)
    alone = Dropout((1,), 0.1, 7)
    first, second = pair(x), pair(x)
    assert torch.equal(first[1:], alone(x[1:]))
    assert torch.equal(second[1:], alone(x[1:]))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, Dropout((3, 1), 0.1, 8)(x))
    assert float((first == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float(first.mean()) == pytest.approx(1, abs=0.006)
    assert Dropout((3, 1), 0.0, 7)(x) is x


def test_the_prompt_is_the_best_return_or_a_number():
    data = harness.transitions()
    for target, expected in (("best", 5.0), (-2.5, -2.5), (3, 3.0)):
        learner = make(data=data, target_return=target)
        batches(learner, data, 4)
        assert learner.policy().spec()["target"] == expected
        # in the state, so that seeds trained in another process bring it along
        assert float(learner.policy().state_dict()["target"]) == expected
        reset = learner.policy().carry()["return_to_go"].reset
        assert reset == pytest.approx(expected * 1e-3)


def test_learns_to_do_what_the_prompt_says():
    """Episodes of two kinds, told apart by their return alone."""
    data = harness.transitions(960)
    data.episode = np.arange(960) // 10
    kind = np.where(data.episode % 2, 1.0, -1.0)
    data.reward = (kind / 10).astype(np.float32)
    data.returns = np.array([-1.0, 1.0])
    half = (data.action_high - data.action_low) / 2
    middle = (data.action_high + data.action_low) / 2
    data.action = (middle + half * 0.8 * kind[:, None]).astype(np.float32)
    learner = make((0,), 150, data, return_scale=1.0, rate=3e-3, width=16)
    train(learner, data, 150, batch=32 * learner.params.context)
    for target, sign in ((1.0, 1), (-1.0, -1)):
        learner.actor.target.fill_(target)
        policy = learner.policy()
        carry = {
            n: torch.full((1, 1, *c.shape), c.reset) for n, c in policy.carry().items()
        }
        inputs = {"observation": torch.ones(1, 1, 3), "reward": torch.zeros(1, 1, 1)}
        for _ in range(3):
            with torch.no_grad():
                outputs, carry = policy.step(inputs, carry)
            inputs["reward"] = torch.full((1, 1, 1), 0.1 * sign)
            action = (outputs["action"][0, 0].numpy() - middle) / half
            np.testing.assert_allclose(action, 0.8 * sign, atol=0.25)


def test_its_onnx_passes_parity():
    learner, data = make(updates=10), harness.transitions()
    train(learner, data, 10, batch=16)
    policy = learner.policy()
    model = build_model(policy, 1).SerializeToString()
    contract = contract_of(policy, 1, {**ORIGIN, "seeds": [3, 1]}, "exact")
    opened = OnnxPolicy(model, contract, "exact")
    rows = (data.observation, data.reward, np.random.default_rng(0))
    found = check_carried_parity(Path("x.onnx"), policy, 1, opened, *rows, 1e-5)
    assert found["rows"] == (1 + 2 + 7 + 17 + 17) * 64


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            {"context": 33},
            r"train.dt: context: found 33, expected at most 32, the long",
        ),
        ({"episode_steps": 31}, r"episode_steps: found 31, expected at least 32"),
    ],
)
def test_episodes_that_do_not_fit_are_refused(override: Any, message: str):
    learner = make(**override)
    with pytest.raises(RefusedError, match=message):
        train(learner, harness.transitions(), 10, batch=4)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"heads": 3}, "train.dt.heads: found 3, expected a divisor of 8"),
        (
            {"target_return": "most"},
            "train.dt.target_return: found 'most', expected be",
        ),
        ({"context": 1}, "train.dt.context"),
    ],
)
def test_bad_parameters_are_refused(override: Any, message: str):
    with pytest.raises(RefusedError, match=message):
        make(**override)


def test_same_as_every_learner(tmp_path: Path):
    harness.check_engine("dt", tmp_path, **SMALL)
    harness.check_refusals("dt", "dropout", 1.5)
