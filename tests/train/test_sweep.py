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
from tasks.code import made_by, methods
from tasks.train.engine.loop import settle, train
from tasks.train.engine.parts import Job
from tasks.train.engine.slices import PerSlice, in_slices

from . import harness
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


@pytest.mark.parametrize(
    ("name", "discrete"),
    [(name, False) for name in methods("train")]
    + [(name, True) for name in ("bc", "iql", "discrete_cql", "dqn")],
)
def test_each_slice_is_the_training_of_its_configuration(name: str, discrete: bool):
    """All numbers that may be swept, at once; every slice against its own stack."""
    if name in ("bc_resnet",) or (discrete != (name in ("discrete_cql", "dqn", "bc", "iql")) and discrete):
        pytest.skip("pictures have a data of their own")
    settle()
    data = data_of(name, discrete)
    if data is None:
        pytest.skip("learns discrete actions alone")
    block = small(name)
    cls = class_of(block, f"train.{name}").Parameters
    swept = sweepable(cls)
    pairs = {n: values_of(block, n, cls) for n in swept}
    assert pairs
    tried = {
        "first": {n: pair[0] for n, pair in pairs.items()},
        "second": {n: pair[1] for n, pair in pairs.items()},
    }
    job = Job(name, block, data, effort(), tried)
    stacked = job.learner(list(tried), SEEDS)
    train(stacked, data, UPDATES, 16)
    both = stacked.policy().state_dict()
    for i, policy in enumerate(tried):
        alone = job.learner([policy], SEEDS)
        train(alone, data, UPDATES, 16)
        for key, tensor in alone.policy().state_dict().items():
            found = both[key]
            if found.shape != tensor.shape:
                found = found.chunk(2)[i]
            torch.testing.assert_close(
                found, tensor, atol=harness.SAME_SEED, rtol=0, msg=f"{policy} {key}"
            )


def small(name: str) -> dict[str, Any]:
    own = {"dt": {"context": 4, "width": 8, "episode_steps": 40, "warm_up": 2}}
    few = {"dql": {"average_from": 1}, "ofql": {"average_from": 1}}
    return harness.block(name, **own.get(name, {}), **few.get(name, {}))


def data_of(name: str, discrete: bool) -> Any:
    if discrete or name in ("discrete_cql", "dqn"):
        if not discrete:
            return None
        from .choose import transitions

        return transitions()
    return harness.transitions()
