"""A small clone of the data, to see how much its observations say about its actions.

Two networks with the observation and two without (they see zeros), in one stack. Of
each two, one learns from the even episodes and is tested on the odd ones, the other the
other way round, so that no episode is tested by a network that has seen it.

Shapes: n episodes, N steps, O observation, A action, B batch.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.measure.qdc_metrics.figures import Doubles
from tasks.nets.layers import MLP

NETS = 4  # even and odd episodes with the observation, then without
CHUNK = 16_384  # rows tested at once


def probe(
    observations: Doubles,
    actions: Doubles,
    owner: NDArray[np.int64],
    *,
    discrete: bool,
    hidden: tuple[int, ...],
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> tuple[Doubles, Doubles]:
    """Loss on episodes not learned from, with and without the observation.

    Args:
        observations: (N, O), standardised.
        actions: (N, A), in [-1, 1]; one-hot as -1 and 1 if discrete.
        owner: (N,), number of each step's episode, 0, 1, ... in order.
        discrete: Cross-entropy instead of the squared error.
        hidden: Units a hidden layer.
        steps: Gradient steps.
        batch: B.
        rate: Of Adam.
        seed: Of weights and batches.

    Returns:
        Mean loss of each episode (n,) given the observation, and without.
    """
    x = torch.from_numpy(np.clip(observations, -10, 10).astype(np.float32))
    y = torch.from_numpy(actions.astype(np.float32))
    folds = [np.flatnonzero(owner % 2 == side) for side in (0, 1)]
    net = MLP((seed,), "qdc probe", (x.shape[1], *hidden, y.shape[1]), NETS)
    optimiser = torch.optim.Adam(net.parameters(), rate, fused=True)
    generator = np.random.default_rng(seed)
    mask = torch.tensor([1.0, 1.0, 0.0, 0.0])[:, None, None]
    for _ in range(steps):
        rows = torch.from_numpy(
            np.stack([generator.choice(folds[k % 2], batch) for k in range(2)] * 2)
        )
        loss = _loss(_through(net, x[rows] * mask), y[rows], discrete)
        optimiser.zero_grad()
        loss.mean(-1).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    lost = torch.zeros(2, len(x))
    with torch.no_grad():
        for fold, rows_ in enumerate(folds):
            for at in range(0, len(rows_), CHUNK):
                rows = torch.from_numpy(rows_[at : at + CHUNK])
                seen = x[rows].expand(NETS, -1, -1) * mask
                out = _loss(_through(net, seen), y[rows].expand(NETS, -1, -1), discrete)
                lost[:, rows] = out[[1 - fold, 3 - fold]]
    counts = np.bincount(owner).astype(np.float64)
    given, withheld = (
        np.bincount(owner, loss) / counts for loss in lost.double().numpy()
    )
    return given, withheld


def _through(net: MLP, x: torch.Tensor) -> torch.Tensor:
    """Each network its own rows: (4, B, O) -> (4, B, A)."""
    for layer in net.layers[:-1]:
        x = torch.relu(layer(x))
    out: torch.Tensor = net.layers[-1](x)
    return out


def _loss(out: torch.Tensor, y: torch.Tensor, discrete: bool) -> torch.Tensor:
    """(4, B, A) and actions -> (4, B)."""
    if discrete:
        return -(torch.log_softmax(out, -1) * (y > 0)).sum(-1)
    return (out - y).square().mean(-1)
