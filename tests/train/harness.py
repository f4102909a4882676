"""What every learner's test buys: tiny data, a float64 reference, common checks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from tasks.artifacts.by_dataset import DEFAULT, of_dataset
from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.params import build
from tasks.artifacts.policy import save_policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.engine.loop import settle, train
from tasks.train.engine.table import spaces
from tests.compress.harness import onnx_difference

PARAMS = Path(__file__).parents[2] / "params"
O, A = 3, 2  # noqa: E741 - widths of the tiny data
MASK = "attacked"
SAME_SEED = 1e-6  # tolerance: seed k alone against seed k of a stack


def transitions(n: int = 96, **replace: Any) -> Any:
    """Random transitions with the fields of ``artifacts.dataset.Transitions``."""
    g = np.random.default_rng(7)
    normal = lambda *shape: g.standard_normal(shape).astype(np.float32)  # noqa: E731
    fields: dict[str, Any] = {
        "observation": 2 * normal(n, O) + 1,
        "next_observation": 2 * normal(n, O) + 1,
        "action": np.array([1, 4], np.float32) + np.tanh(normal(n, A)) * [1, 2],
        "reward": normal(n),
        "terminated": (g.random(n) < 0.1).astype(np.float32),
        "observation_mean": np.ones(O, np.float32),
        "observation_std": np.full(O, 2, np.float32),
        "action_low": np.array([0, 2], np.float32),
        "action_high": np.array([2, 6], np.float32),
        "episode": np.arange(n) * 3 // n,
        "returns": np.array([-3.0, 5.0, 1.0], np.float32),
        "dataset_id": "tiny-v0",
        "sha256": "ab" * 32,
        "discrete": False,
        **dict.fromkeys(("legal", "next_legal", MASK)),
    }
    return SimpleNamespace(**{**fields, **replace})


def room(name: str) -> str:
    return "learn" if (PARAMS / "learn" / f"{name}.yaml").is_file() else "train"


def block(name: str, **override: Any) -> dict[str, Any]:
    """The learner's own YAML with small networks and what the test changes."""
    tables = yaml.safe_load((PARAMS / room(name) / f"{name}.yaml").read_text())
    loaded = of_dataset(tables, DEFAULT, f"{room(name)}.{name}")
    small = {"actor_hidden": [8, 7], "critic_hidden": [9, 6]}
    return loaded | {k: v for k, v in small.items() if k in loaded} | override


def make(
    name: str,
    seeds: tuple[int, ...] = (3, 1),
    updates: int = 10,
    data: Any = None,
    **override: Any,
) -> Any:
    settle()
    asked, of = block(name, **override), spaces(data or transitions())
    return build(asked, f"{room(name)}.{name}", spaces=of, seeds=seeds, updates=updates)


def unit_spaces() -> Spaces:
    """No normalisation, actions in [-1, 1]."""
    one = torch.ones(A)
    return Spaces(torch.zeros(O), torch.ones(O), -one, one)


def random_batch(learner: Learner, rows: int = 16) -> Batch:
    """Random rows, every fourth terminated."""
    g = torch.Generator().manual_seed(5)
    s = len(learner.seeds)
    normal = lambda *shape: torch.randn(s, rows, *shape, generator=g)  # noqa: E731
    noise = {n: normal(*d.shape(A)) for n, d in learner.draws().items()}
    terminated = (torch.arange(rows) % 4 == 0).float().repeat(s, 1)
    o, a, r, o2 = normal(O), normal(A).tanh(), 3 * normal(), normal(O)
    columns = {name: normal(A).tanh() for name in learner.columns if name != MASK}
    if MASK in learner.columns:
        columns[MASK] = (torch.arange(rows) % 3 == 0).float().repeat(s, 1)[..., None]
    if learner.spaces.discrete:
        count = learner.spaces.action
        a = torch.eye(count)[normal(count).argmax(-1)]
        drawn = {name: (normal(count) > 0).float() for name in learner.columns}
        columns = {name: torch.maximum(x, a) for name, x in drawn.items()}
    return Batch(o, a, r, o2, terminated, columns, noise)


def constant(module: torch.nn.Module, *biases: list[float]) -> None:
    """Turn a network without hidden layers into constants, one list a member."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            value = torch.tensor(biases)[:, None] if name.endswith("bias") else 0.0
            parameter.copy_(value * torch.ones_like(parameter))


def two_rows(action: list[list[float]], **noise: list[list[float]]) -> Batch:
    """Observation 0, reward 1, the second row terminated; one seed."""
    return Batch(
        torch.zeros(1, 2, O),
        torch.tensor([action]),
        torch.ones(1, 2),
        torch.zeros(1, 2, O),
        torch.tensor([[0.0, 1.0]]),
        noise={name: torch.tensor([value]) for name, value in noise.items()},
    )


class Reference:
    """One seed's numbers in float64, for equations written down plainly.

    Args:
        learner: Before its update.
        k: Which slice.
        batch: Of all seeds.
    """

    def __init__(self, learner: Learner, k: int, batch: Batch) -> None:
        self.learner, self.k = learner, k
        self.t = {n: self._slice(p) for n, p in learner.named_parameters()}
        self.gradients: dict[str, Tensor] = {}
        self.o, self.a = batch.observation[k].double(), batch.action[k].double()
        self.r, self.d = batch.reward[k].double(), batch.terminated[k].double()
        self.o2 = batch.next_observation[k].double()
        self.noise = {n: x[k].double() for n, x in batch.noise.items()}
        self.columns = {n: x[k].double() for n, x in batch.columns.items()}

    def _slice(self, x: Tensor) -> Tensor:
        rows = x.detach().double().chunk(len(self.learner.seeds))[self.k]
        return rows.clone().requires_grad_()

    def net(self, name: str, x: Tensor, e: int = 0, norm: str = "none") -> Tensor:
        """Member e of a perceptron, layer after layer."""
        i = 0
        while f"{name}.layers.{i}.weight" in self.t:
            x = self._norm(name, i, x, e) if i and norm == "before" else x
            x = x.clamp(min=0) if i else x
            x = self._norm(name, i, x, e) if i and norm == "after" else x
            weight = self.t[f"{name}.layers.{i}.weight"][e]
            x = x @ weight + self.t[f"{name}.layers.{i}.bias"][e]
            i += 1
        return x

    def _norm(self, name: str, i: int, x: Tensor, e: int) -> Tensor:
        """The norm before layer i."""
        weight, bias = (self.t[f"{name}.norms.{i - 1}.{n}"] for n in ("weight", "bias"))
        centred = x - x.mean(1, keepdim=True)
        std = (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return centred / std * weight[e] + bias[e]

    def q(self, name: str, o: Tensor, a: Tensor, norm: str = "none") -> list[Tensor]:
        """All critics."""
        x = torch.cat([o, a], 1)
        members = range(len(self.t[f"{name}.net.layers.0.weight"]))
        return [self.net(f"{name}.net", x, e, norm)[:, 0] for e in members]

    def step(self, names: tuple[str, ...], loss: Tensor, rate: float) -> None:
        """The first step of Adam: its moments' corrections cancel."""
        keys = [k for k in self.t if k.startswith(names)]
        gradients = torch.autograd.grad(loss, [self.t[k] for k in keys])
        for k, g in zip(keys, gradients, strict=True):
            self.gradients[k] = g
            moved = self.t[k] - rate * g / (g.abs() + 1e-8)
            self.t[k] = moved.detach().requires_grad_()

    def polyak(self, target: str, source: str, rate: float) -> None:
        """Target <- (1 - rate) target + rate source."""
        for k in self.t:
            if k.startswith(target + "."):
                new = self.t[source + k[len(target) :]]
                self.t[k] = (1 - rate) * self.t[k] + rate * new

    def check(self) -> None:
        """The learner, after its update, agrees to 1e-5: gradients and weights."""
        found = {
            k
            for k, p in self.learner.named_parameters()
            if p.grad is not None and p.grad.any()
        }
        assert found == {k for k, g in self.gradients.items() if g.any()}
        for name, parameter in self.learner.named_parameters():
            moved = self._slice(parameter)
            torch.testing.assert_close(moved, self.t[name], atol=1e-5, rtol=0)
            if name in self.gradients:
                assert parameter.grad is not None
                g, truth = self._slice(parameter.grad), self.gradients[name]
                scale = float(truth.abs().max())
                torch.testing.assert_close(g, truth, atol=1e-5 * scale, rtol=0)


def check_bootstrap(name: str, data: Any = None, **override: Any) -> None:
    """A truncated row looks at its next observation, a terminated one does not."""
    losses = {}
    for terminated in (0.0, 1.0):
        for shift in (0.0, 1.0):
            learner = make(name, data=data, **override)
            batch = random_batch(learner)
            batch.terminated.fill_(terminated)
            batch.next_observation.add_(shift)
            losses[terminated, shift] = learner.update(batch, 0)["critic_loss"]
    assert torch.equal(losses[1.0, 0.0], losses[1.0, 1.0])
    assert not torch.equal(losses[0.0, 0.0], losses[0.0, 1.0])


def check_engine(name: str, folder: Path, updates: int = 40, **override: Any) -> None:
    """What the engine promises of every learner."""
    check_seed_alone(name, updates, **override)
    check_same_bytes(name, folder, **override)
    check_resume(name, folder, **override)


def check_seed_alone(
    name: str, updates: int = 40, data: Any = None, **override: Any
) -> None:
    """Slice k of a stack and the same seed alone end at the same policy."""
    data, weights = data or transitions(), {}
    for seeds in ((3, 1, 8), (1,)):
        learner = make(name, seeds, updates, data, **override)
        train(learner, data, updates, batch=16)
        weights[seeds] = [p.detach().clone() for p in learner.policy().parameters()]
    for stacked, alone in zip(weights[3, 1, 8], weights[1,], strict=True):
        torch.testing.assert_close(stacked[1:2], alone, atol=SAME_SEED, rtol=0)
        assert not torch.allclose(stacked[0:1], alone, atol=1e-3)


def check_exports(name: str, **override: Any) -> None:
    """The ONNX file of each seed acts as the trained policy."""
    learner = make(name, **override)
    train(learner, transitions(), 10, batch=16)
    observations = 3 * torch.randn(1000, O) + 1
    assert onnx_difference(learner.policy(), observations, "exact") <= 1e-5


def check_same_bytes(
    name: str, folder: Path, data: Any = None, **override: Any
) -> None:
    """The same run twice writes the same file."""
    hashes = []
    for run in ("first", "second"):
        learner = make(name, updates=20, data=data, **override)
        train(learner, data or transitions(), 20, batch=16)
        (folder / run).mkdir()
        save_policy(folder / run, learner.policy(), {})
        hashes.append(sha256(folder / run / "policy.safetensors"))
    assert hashes[0] == hashes[1]


def check_resume(name: str, folder: Path, data: Any = None, **override: Any) -> None:
    """Stopped after a checkpoint and built anew, it ends with the same bits."""
    of, stop = data, 13
    data = data or transitions()
    whole = make(name, updates=30, data=of, **override)
    curves = train(whole, data, 30, batch=16)

    def interrupt(done: int, metrics: dict[str, float]) -> None:
        if done == stop:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(folder / "checkpoint")
    with pytest.raises(KeyboardInterrupt):
        train(
            make(name, updates=30, data=of, **override),
            data,
            30,
            batch=16,
            checkpoint=checkpoint,
            report=interrupt,
            every=0,
        )
    state = checkpoint.load()
    assert state is not None
    assert state.step == stop - 1
    again = make(name, updates=30, data=of, **override)
    resumed = train(again, data, 30, batch=16, checkpoint=checkpoint)
    assert resumed.csv() == curves.csv()
    for key, tensor in whole.tensors().items():
        assert torch.equal(tensor, again.tensors()[key]), key


def check_refusals(name: str, field: str, value: Any, data: Any = None) -> None:
    """A value out of its range and a misspelt key; both name where."""
    with pytest.raises(RefusedError) as refused:
        make(name, data=data, **{field: value})
    assert refused.value.field == f"{room(name)}.{name}.{field}"
    with pytest.raises(RefusedError, match=f"did you mean {field}\\?"):
        make(name, data=data, **{field[:-1]: value})
