"""BC of pictures: its equation, its statistics, and that it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.train import Batch
from tasks.train.engine.learners import check_kind
from tasks.train.engine.loop import train
from tests.compress.harness import session

from . import harness
from .choose import choices

SIDE, CLASSES = 4, 4
SMALL = {"image": [3, SIDE, SIDE], "widths": [4, 6]}


def pictures(n: int = 96, **replace: Any) -> Any:
    """Noise, and one quarter that is brighter: its number is the action."""
    g = np.random.default_rng(3)
    images = g.standard_normal((n, 3, SIDE, SIDE)).astype(np.float32)
    label = g.integers(0, CLASSES, n)
    for i, quarter in enumerate(label):
        row, column = 2 * (quarter // 2), 2 * (quarter % 2)
        images[i, :, row : row + 2, column : column + 2] += 2
    width = 3 * SIDE * SIDE
    flat = images.reshape(n, width)
    fields = {
        "observation": 0.5 + flat / 4,
        "next_observation": 0.5 + flat / 4,
        "action": np.eye(CLASSES, dtype=np.float32)[label],
        "observation_mean": np.full(width, 0.5, np.float32),
        "observation_std": np.full(width, 0.25, np.float32),
    }
    return choices(n, masked=False, **{**fields, **replace})


def make(seeds: tuple[int, ...] = (3, 1), **more: Any) -> Any:
    return harness.make("bc_resnet", seeds, data=pictures(), **{**SMALL, **more})


def batch(learner: Any, rows: int = 16) -> Batch:
    g = torch.Generator().manual_seed(5)
    lead, width = (len(learner.seeds), rows), 3 * SIDE * SIDE
    images = torch.randn(*lead, width, generator=g)
    label = torch.randint(CLASSES, lead, generator=g)
    zeros = torch.zeros(lead)
    return Batch(images, torch.eye(CLASSES)[label], zeros, images, zeros)


def unit(t: dict[str, Tensor], name: str, x: Tensor, stride: int, side: int) -> Tensor:
    """Convolution and normalisation by the batch, written out: (B, C, Y, X)."""
    weight = t[f"net.units.{name}.weight"][0]
    patches = torch.nn.functional.unfold(x, side, padding=side // 2, stride=stride)
    rows = (x.shape[2] - 1) // stride + 1
    y = (weight.flatten(1) @ patches).unflatten(2, (rows, rows))
    mean = y.mean((0, 2, 3), keepdim=True)
    variance = (y - mean).square().mean((0, 2, 3), keepdim=True)
    gain, shift = (t[f"net.units.{name}.{n}"][0] for n in ("gain", "shift"))
    y = (y - mean) / (variance + 1e-5).sqrt()
    return y * gain[:, None, None] + shift[:, None, None]


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equation(k: int):
    learner = make()
    rows = batch(learner)
    ref = harness.Reference(learner, k, rows)
    learner.update(rows, 0)

    t = ref.t
    x = unit(t, "stem", ref.o.view(-1, 3, SIDE, SIDE), 1, 3).relu()
    y = unit(t, "block0_first", x, 1, 3).relu()
    x = (unit(t, "block0_second", y, 1, 3) + x).relu()
    y = unit(t, "block1_first", x, 2, 3).relu()
    y = unit(t, "block1_second", y, 1, 3)
    x = (y + unit(t, "block1_shortcut", x, 2, 1)).relu().mean((2, 3))
    z = x @ t["net.units.head.weight"][0] + t["net.units.head.bias"][0]
    chosen = (z * ref.a).sum(1) - z.exp().sum(1).log()
    ref.step(("net",), -chosen.mean(), 1e-3)
    ref.check()


def test_loss_by_hand():
    """Logits 0 but for the bias, (0, ln 3, ln 5, 0), whatever is seen."""
    learner = make((0,))
    head = learner.net.units["head"]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([1.0, 3, 5, 1]).log())
    rows = batch(learner, 2)
    rows.action.copy_(torch.eye(CLASSES)[[0, 2]])
    metrics = learner.update(rows, 0)
    expected = -(np.log(1 / 10) + np.log(5 / 10)) / 2
    assert metrics["actor_loss"].tolist() == pytest.approx([expected])
    assert metrics["right"].tolist() == [0.5]


def test_the_policy_uses_running_statistics():
    learner = make()
    before = learner.net.units["stem"].mean.clone()
    rows = batch(learner)
    learner.update(rows, 0)
    running = learner.net.units["stem"].mean.clone()
    assert not torch.equal(running, before)
    one, many = rows.observation[:, :1], rows.observation
    with torch.no_grad():
        alone = learner.policy().step({"observation": one}, {})[0]["logits"]
        among = learner.policy().step({"observation": many}, {})[0]["logits"]
    torch.testing.assert_close(alone, among[:, :1])
    assert torch.equal(learner.net.units["stem"].mean, running)


def test_it_learns_where_the_bright_quarter_is():
    data = pictures(600)
    learner = harness.make("bc_resnet", (0,), 120, data, **{**SMALL, "rate": 0.02})
    curves = train(learner, data, 120, batch=32)
    right = curves.columns.index("right")
    assert curves.rows[0][right] < 0.6
    assert curves.rows[-1][right] > 0.9
    fresh = pictures(300)
    got = session(learner.policy(), 0, "exact").run(
        ["action"], {"observation": fresh.observation}
    )
    assert (got[0] == fresh.action.argmax(1)).mean() > 0.9


def test_same_as_every_learner(tmp_path: Path):
    more = {**SMALL, "rate": 0.01}
    harness.check_seed_alone("bc_resnet", 30, pictures(), **more)
    harness.check_same_bytes("bc_resnet", tmp_path, pictures(), **more)
    harness.check_resume("bc_resnet", tmp_path, pictures(), **more)


def test_bad_parameters_are_refused():
    for field, value in (("rate", 1.5), ("widths", [0]), ("image", [3, 4])):
        with pytest.raises(RefusedError) as refused:
            make(**{field: value})
        assert refused.value.field == f"train.bc_resnet.{field}"
    with pytest.raises(RefusedError, match=r"widths: found \[\]"):
        make(widths=[])
    with pytest.raises(RefusedError, match=r"image: found \[3, 8, 8\], 192 numbers"):
        make(image=[3, 8, 8])
    with pytest.raises(RefusedError, match="did you mean rate"):
        make(rat=0.1)


def test_worlds_it_cannot_learn_are_refused():
    masked = pictures(legal=np.ones((96, CLASSES), np.float32))
    with pytest.raises(RefusedError, match="a world without a mask"):
        harness.make("bc_resnet", (0,), data=masked, **SMALL)
    with pytest.raises(RefusedError, match="a learner of discrete actions"):
        check_kind("bc_resnet", harness.block("bc_resnet"), False, "hopper_medium")
