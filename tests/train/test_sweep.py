"""Configurations of a learner in one stack: the equations, the bits, the files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import sweepable
from tasks.artifacts.files import sha256
from tasks.artifacts.params import class_of
from tasks.artifacts.policy import load_critic, load_policy
from tasks.artifacts.study import Effort
from tasks.artifacts.sweep import grid
from tasks.code import made_by
from tasks.train.engine.loop import settle, train
from tasks.train.engine.parts import Job
from tasks.train.engine.slices import PerSlice, in_slices

from . import harness
from .fifty import CASES
from .test_command import project  # noqa: F401

SEEDS = (3, 1)
UPDATES = 6


def numbers() -> PerSlice:
    return PerSlice([0.5, 2.0, -1.0])


def test_beside_a_tensor_it_counts_along_the_slices():
    x = torch.arange(12.0).view(3, 2, 2)
    own = torch.tensor([0.5, 2.0, -1.0]).view(3, 1, 1)
    n = numbers()
    for found, truth in (
        (n * x, own * x),
        (x * n, own * x),
        (n - x, own - x),
        (x - n, x - own),
        (n / (x + 1), own / (x + 1)),
        (x / n, x / own),
        ((n * 2 - 1) * x, (own * 2 - 1) * x),
        (x.clamp(max=n), torch.minimum(x, own)),
        (x.clamp(-n, n), x.clamp(-own, own)),
        (torch.where(x < n, x, 0.0), torch.where(x < own, x, 0.0)),
        (x >= n, x >= own),
        (n * x.sum((1, 2)), own.view(3) * x.sum((1, 2))),
    ):
        assert torch.equal(found, truth)


def test_among_each_other_and_numbers_they_are_doubles():
    n = numbers()
    third = 1 - n / 3
    assert isinstance(third, PerSlice)
    assert third.values.tolist() == [1 - v / 3 for v in (0.5, 2.0, -1.0)]
    assert np.asarray(-n, np.float32).tolist() == [-0.5, -2.0, 1.0]
    assert bool(n)
    assert not PerSlice([0.0, 0.0])


def test_a_tensor_of_other_slices_is_refused():
    with pytest.raises(ValueError, match=r"3 slices beside a tensor \(2, 4\)"):
        numbers() * torch.ones(2, 4)


def test_numbers_that_all_share_stay_numbers():
    parse = class_of(harness.block("iql"), "train.iql").Parameters.parse
    blocks = [harness.block("iql", beta=b) for b in (1, 3)]
    stack = in_slices([parse(block, "train.iql") for block in blocks], 2)
    assert stack.expectile == blocks[0]["expectile"]
    assert np.asarray(stack.beta).tolist() == [1, 1, 3, 3]


def effort(**change: Any) -> Effort:
    fields = {"seeds": SEEDS, "updates": UPDATES, "batch": 16, "snapshots": 0}
    fields |= {"precision": "float32", "processes": 1, "device": "cpu"}
    return Effort(**{**fields, **change})


def values_of(block: dict[str, Any], name: str, cls: Any) -> list[float]:
    """The learner's own value of a number and another one in its range."""
    own = float(block[name])
    for other in (own * 0.5, own * 2, own + 0.25, own - 0.25):
        try:
            cls.parse({**block, name: other}, "x")
        except RefusedError:
            continue
        if other != own:
            return [own, other]
    raise AssertionError(name)


@pytest.mark.parametrize("case", CASES)
def test_each_slice_is_the_training_of_its_configuration(case: str):
    """All numbers that may be swept, at once; every slice against its own stack."""
    settle()
    name, data, override = CASES[case]
    data = data or harness.transitions()
    block = harness.block(name, **override or {})
    parameters = class_of(block, f"train.{name}").Parameters
    pairs = {n: values_of(block, n, parameters) for n in sweepable(parameters)}
    assert pairs
    tried = {
        policy: {n: pair[i] for n, pair in pairs.items()}
        for i, policy in enumerate(("first", "second"))
    }
    job = Job(name, block, data, effort(), tried)
    both = job.learner(list(tried), SEEDS)
    train(both, data, UPDATES, 16)
    for i, policy in enumerate(tried):
        alone = job.learner([policy], SEEDS)
        train(alone, data, UPDATES, 16)
        for key, tensor in alone.state_dict().items():
            found = both.state_dict()[key]
            if found.shape != tensor.shape:
                found = found.chunk(2)[i]
            torch.testing.assert_close(
                found, tensor, atol=harness.SAME_SEED, rtol=1e-6, msg=f"{policy} {key}"
            )
