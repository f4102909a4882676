"""The random numbers of an update: their shapes, kinds and streams."""

from typing import Any

import torch

from tasks.train.engine.minibatches import SHORT_BLOCK, batches

from . import harness

SHAPES = {
    "next": (2, 6, 2),
    "current": (2, 6, 2),
    "uniform": (2, 6, 4, 2),
    "proposed": (2, 6, 4, 2),
    "proposed_next": (2, 6, 4, 2),
}


def cql(seeds: tuple[int, ...] = (3, 1)) -> Any:
    return harness.make("cql", seeds, samples=4)


def test_shapes_and_kinds():
    learner = cql()
    sample = batches(learner, harness.transitions(), 6)
    noise = [sample(step).noise for step in range(3 * SHORT_BLOCK)]
    assert {name: tuple(x.shape) for name, x in noise[0].items()} == SHAPES
    every = {name: torch.stack([n[name] for n in noise]) for name in SHAPES}
    for name, x in every.items():
        assert x.dtype == torch.float32
        assert len(x.unique()) > 0.99 * x.numel()  # no draw twice
        if name == "uniform":
            assert x.abs().max() <= 1
            assert x.min() < -0.99
            assert abs(x.std() - 3**-0.5) < 0.03
        else:
            assert abs(x.std() - 1) < 0.1
            assert x.abs().max() > 2


def test_any_update_may_come_first():
    """Resuming in the middle of a block draws what going through would have drawn."""
    data = harness.transitions()
    through, resumed = (batches(cql(), data, 6) for _ in range(2))
    for step in range(2 * SHORT_BLOCK + 4):
        expected = through(step).noise
    found = resumed(step).noise
    for name, x in expected.items():
        assert torch.equal(x, found[name])


def test_a_seed_draws_its_own():
    data = harness.transitions()
    together = batches(cql(), data, 6)(11).noise
    alone = batches(cql((1,)), data, 6)(11).noise
    for name, x in together.items():
        assert torch.equal(x[1:], alone[name])
        assert not torch.equal(x[0], x[1])
