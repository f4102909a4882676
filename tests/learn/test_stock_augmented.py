"""Stock-augmented Q-learning: its loss row by row, its starts, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.nets.stock import OBJECTIVES
from tasks.train import Batch
from tests.train import harness
from tests.worlds.harness import load

SMALL = {"hidden": [8], "quantiles": 4, "edits": 2, "warm_up": 20, "replay": 200}


def make(seeds: tuple[int, ...] = (0, 1), steps: int = 60, **changed: Any) -> Any:
    harness.settle()
    block = harness.block("stock_augmented", **(SMALL | changed))
    about = {"spaces": spaces(load("two_step")), "seeds": seeds, "updates": steps}
    return build(block, "learn.stock_augmented", **about)


def batch(learner: Any, rows: int = 5) -> Batch:
    draw = torch.Generator().manual_seed(3)
    s = len(learner.seeds)
    action = torch.eye(2)[torch.randint(2, (s, rows), generator=draw)]
    ended = (torch.rand(s, rows, generator=draw) < 0.4).float()
    noise = 2 * torch.rand(s, rows, learner.params.edits, 2, generator=draw) - 1
    return Batch(
        torch.randint(2, (s, rows, 2), generator=draw).float(),
        action,
        -3 * torch.rand(s, rows, generator=draw),
        torch.ones(s, rows, 2),
        ended,
        {},
        {"stock": noise},
    )


def f(objective: str, x: float) -> float:
    return {"worst": min(x, 0.0), "target": -abs(x)}.get(objective, x)


def reference(learner: Any, given: Batch, k: int) -> float:
    """The loss of a seed, number by number."""
    p, losses = learner.params, []
    n = p.quantiles

    def net(policy: Any, observation: Any, stock: float) -> np.ndarray:
        x = torch.cat([observation, torch.tensor([stock / 30.0])])
        for i, layer in enumerate(policy.layers):
            x = x @ layer.weight[k] + layer.bias[k, 0]
            x = x if i + 1 == len(policy.layers) else torch.relu(x)
        return x.detach().numpy().reshape(2, n).astype(float)

    stocked = p.objective != "worst_without_stock"
    counted = n if stocked else max(1, round(p.share * n))
    for b in range(given.reward.shape[1]):
        r, d = float(given.reward[k, b]), float(given.terminated[k, b])
        for e in range(p.edits):
            share = (float(given.noise["stock"][k, b, e, 0]) + 1) / 2
            c = -15 + 30 * share if stocked else 0.0
            later = (c + r) / p.discount if stocked else 0.0
            after = net(learner.behind, given.next_observation[k, b], later)
            scores = [
                np.mean([f(p.objective, later + q) for q in row[:counted]])
                for row in after
            ]
            best = [a for a in range(2) if scores[a] >= max(scores) - 1e-6]
            ahead = after[best].mean(0)
            y = r + p.discount * (1 - d) * ahead
            a = int(given.action[k, b].argmax())
            q = net(learner.q, given.observation[k, b], c)[a]
            total = 0.0
            for i in range(n):
                level = (i + 0.5) / n
                each = []
                for j in range(n):
                    u = y[j] - q[i]
                    huber = u**2 / 2 if abs(u) < p.kappa else (abs(u) - p.kappa / 2)
                    huber = huber * (1 if abs(u) < p.kappa else p.kappa)
                    each.append(abs(level - float(u < 0)) * huber / p.kappa)
                total += np.mean(each)
            losses.append(total)
    return float(np.mean(losses))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_is_the_papers(objective: str):
    learner = make(objective=objective, discount=0.9, kappa=0.7)
    with torch.no_grad():  # a target network that differs
        for layer in learner.behind.layers:
            layer.weight.mul_(1.5)
    given = batch(learner)
    expected = [reference(learner, given, k) for k in range(2)]
    told = learner.update(given, 0)
    np.testing.assert_allclose(told["loss"].numpy(), expected, rtol=1e-4)


def test_seed_alone_equals_seed_in_the_stack():
    both, one = make(), make((1,))
    given = batch(both)
    alone = replace(
        given,
        **{
            name: getattr(given, name)[1:]
            for name in (
                *("observation", "action", "reward"),
                *("next_observation", "terminated"),
            )
        },
        noise={"stock": given.noise["stock"][1:]},
    )
    for step in range(3):
        both.update(given, step)
        one.update(alone, step)
    for ours, theirs in zip(both.q.layers, one.q.layers, strict=True):
        torch.testing.assert_close(ours.weight[1:], theirs.weight, rtol=0, atol=1e-6)


def test_the_start_is_the_best_of_the_grid():
    """Where quantiles of G are -1 and -3, the worst half has -3, from a start of 3."""
    learner = make(objective="worst", share=0.5)
    with torch.no_grad():
        for layer in learner.q.layers:
            layer.weight.zero_()
            layer.bias.zero_()
        learner.q.layers[-1].bias.copy_(torch.tensor([-3.0, -3, -1, -1] * 2))
    start = learner.policy().start.stock.flatten()
    # -c + 2 (min(c - 3, 0) + min(c - 1, 0)) / 2 is flat between 1 and 3
    assert ((start > 0.98) & (start < 3.02)).all()
    wanted = make(objective="target", target=-7.0).policy().start.stock
    assert wanted.flatten().tolist() == [7, 7]
    assert make(objective="mean").policy().start.stock.abs().max() == 0


def test_it_learns_in_the_world_and_twice_the_same(tmp_path: Path):
    def run(place: Path) -> bytes:
        learner = make()
        learn(learner, load("two_step"), 60, 8, place=place)
        return learner.policy().layers[-1].weight.detach().numpy().tobytes()

    assert run(tmp_path / "a") == run(tmp_path / "b")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stock_low": 5.0, "stock_high": 5.0}, "stock_high: found 5.0, expected more"),
        ({"share": 0.0}, "share: found 0.0"),
        ({"share": 1.5}, "share: found 1.5"),
        ({"discount": 0.0}, "discount: found 0.0"),
        ({"stock_high": 1e7}, "stock_high"),
        ({"objective": "median"}, "objective: found 'median', expected one of worst"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], said: str):
    with pytest.raises(RefusedError, match=said):
        make(**changed)


def test_masks_and_continuous_actions_are_refused():
    block = harness.block("stock_augmented", **SMALL)
    about = {"spaces": spaces(load("taxi")), "seeds": (0,), "updates": 9}
    with pytest.raises(RefusedError, match="a world that allows every action"):
        build(block, "learn.stock_augmented", **about)
    assert make().actions == ("discrete",)
