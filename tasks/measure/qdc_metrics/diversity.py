"""Diversity: how little the members of a set are like each other.

Shapes: n episodes, F features, C cells, R resamples. All is float64.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from tasks.measure.qdc_metrics.figures import Bootstrap, Doubles, Measure, Wholes

WINDOW = 32_768  # bytes zlib looks back
BLOCK = 64  # resamples whose cells are counted at once; bounds memory


def distances(points: Doubles, others: Doubles | None = None) -> Doubles:
    """Euclidean distances (n, m); of a set to itself exact zeros for equal points."""
    other = points if others is None else others
    norms, others_ = (points**2).sum(1), (other**2).sum(1)
    squares = norms[:, None] + others_ - 2 * points @ other.T
    rounding = 64 * np.finfo(np.float64).eps * (norms.max() + others_.max())
    squares[squares < rounding] = 0.0  # equal points
    return np.asarray(np.sqrt(squares))


def bandwidth(points: Doubles) -> float:
    """Median distance of two different points of a set, (n, F); 0 below two points."""
    if len(points) < 2:
        return 0.0
    return float(np.median(distances(points)[np.triu_indices(len(points), 1)]))


def rbf(points: Doubles, width: float) -> Doubles:
    """K_ij = exp(-||x_i - x_j||^2 / (2 h^2)); at h = 0 its limit, 1 where equal."""
    apart = distances(points)
    if width == 0:
        return (apart == 0).astype(np.float64)
    return np.asarray(np.exp(-(apart**2) / (2 * width**2)))


def vendi(kernel: Doubles) -> tuple[float, Doubles]:
    """The Vendi score of a set and what each member adds to its logarithm.

    VS = exp(-sum l ln l), l the eigenvalues of K/n: how many members, all unlike each
    other, would be as diverse. 1 for copies of one, n for orthogonal ones; a set twice
    over has the score of the set. Source: Friedman & Dieng 2023, "The Vendi Score".

    Args:
        kernel: (n, n), positive semi-definite, ones on its diagonal.

    Returns:
        The score, and (n,) the derivative of ln VS by the weight of each member, with
        which intervals are computed (a resample's own eigenvalues take 0.1 s each).
    """
    n = len(kernel)
    if (kernel == 1).all():  # copies of one, said exactly
        return 1.0, np.zeros(n)
    values, vectors = np.linalg.eigh(kernel / n)
    values = np.clip(values, 0, None)
    values /= values.sum()
    known = values > 1e-15
    entropy = np.zeros(n)
    entropy[known] = -values[known] * np.log(values[known])
    total = max(float(entropy.sum()), 0.0)
    influence = n * (vectors**2) @ entropy - 1
    return float(np.clip(np.exp(total), 1, n)), influence


def vendi_measure(kernel: Doubles, boot: Bootstrap, *, n: int | None = None) -> Measure:
    """:func:`vendi` with an interval to first order in the weights."""
    score, influence = vendi(kernel)
    draws = np.log(score) + (boot.counts / boot.n - 1 / boot.n) @ influence
    return boot.around(score, np.exp(draws), "embedding", ends=(1, len(kernel)), n=n)


def cosine(points: Doubles, boot: Bootstrap) -> Measure:
    """Mean cosine distance of two members, 1 - cos; 0 for copies.

    Args:
        points: (n, F), not centred; a zero vector has distance 1 to all.
        boot: n >= 2.
    """
    n = len(points)
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    units = np.divide(points, norms, out=np.zeros_like(points), where=norms > 0)
    own = (units**2).sum(1)

    def of(counts: Doubles) -> Doubles:
        totals = ((counts @ units) ** 2).sum(-1) - counts @ own
        return np.asarray(1 - totals / (n * (n - 1)))

    value = max(float(of(np.ones((1, n)))[0]), 0.0)
    return boot.around(value, of(boot.counts), "embedding", ends=(0, 2))


def neighbour(points: Doubles, boot: Bootstrap) -> Measure:
    """Mean distance to the nearest other member, (n, F); neighbours stay in resamples.

    Divided by the root of F, so in deviations of the reference a feature.
    """
    apart = distances(points)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1) / np.sqrt(points.shape[1])
    return boot.mean(nearest, "embedding", ends=(0, np.inf))


def spread(points: Doubles, boot: Bootstrap) -> Measure:
    """Mean distance of two members, divided by the root of F; to first order."""
    n = len(points)
    rows = distances(points).sum(1) / (n - 1) / np.sqrt(points.shape[1])
    value = float(rows.mean())
    draws = value + 2 * (boot.counts / n - 1 / n) @ rows
    return boot.around(value, draws, "embedding", ends=(0, np.inf))


def cells(plane: Doubles, low: Doubles, high: Doubles, side: int) -> Wholes:
    """Cell number (n,) int64 of points (n, d) in a grid of ``side`` cells an axis.

    What lies outside counts in the border cells.
    """
    span = np.where(high > low, high - low, 1.0)
    at = np.clip((plane - low) / span * side, 0, side - 1).astype(np.int64)
    return np.asarray(at @ (side ** np.arange(plane.shape[1])))


def counts_of(cell: Wholes, owner: Wholes, n: int, total: int) -> Doubles:
    """How often (n, C) each of n owners lies in each of C cells."""
    flat = np.bincount(owner * total + cell, minlength=n * total)
    return flat.reshape(n, total).astype(np.float64)


def coverage(table: Doubles, boot: Bootstrap, *, n: int | None = None) -> Measure:
    """Share of cells that are filled, of counts (n, C)."""
    total = table.shape[1]
    there = (table > 0).astype(np.float32)
    draws = [
        ((boot.counts[at : at + BLOCK] > 0).astype(np.float32) @ there > 0).mean(1)
        for at in range(0, len(boot.counts), BLOCK)
    ]
    value = float((there.sum(0) > 0).mean())
    ends = (1 / total, 1.0)
    shares = np.concatenate(draws).astype(np.float64)
    return boot.around(value, shares, "attribute", ends=ends, n=n)


def entropy(
    table: Doubles,
    boot: Bootstrap,
    parts: int = 1,
    *,
    share: bool = False,
    n: int | None = None,
) -> Measure:
    """Entropy of how often cells are visited, nats, mean over parts.

    Args:
        table: (n, parts x C), counts.
        boot: Of the n.
        parts: Histograms side by side, e.g. one an action dimension.
        share: Whether it is divided by ln C, which makes it at most 1.
        n: What the counts were of.
    """
    wide = table.shape[1] // parts

    def of(sums: Doubles) -> Doubles:
        p = sums.reshape(-1, parts, wide)
        p = p / np.maximum(p.sum(-1, keepdims=True), 1e-300)
        logs = np.log(np.where(p > 0, p, 1.0))
        return np.asarray(-(p * logs).sum(-1).mean(-1) / (np.log(wide) if share else 1))

    value = float(of(table.sum(0, keepdims=True))[0])
    top = 1.0 if share else float(np.log(wide))
    draws = of(boot.counts @ table)
    return boot.around(value, draws, "attribute", ends=(0, top), n=n)


def deflated(data: bytes, before: bytes = b"") -> int:
    """Bytes that zlib at level 9 needs, without its header, after having seen others.

    Args:
        data: What is compressed.
        before: What it may refer back to; zlib looks at the last 32 kB.
    """
    seen = before[-WINDOW:]
    tool = (
        zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, seen)
        if seen
        else zlib.compressobj(9, zlib.DEFLATED, -15)
    )
    return len(tool.compress(data) + tool.flush())


def novelty(texts: Sequence[bytes], boot: Bootstrap, *, n: int) -> Measure:
    """Compressed size of episodes after one another, over the sum of each one alone.

    Compressing all together is that: zlib sees the last 32 kB. So an episode that says
    what others shortly before it said costs next to nothing; n copies give 1/n.

    Args:
        texts: Quantised episodes in the order of the sample.
        boot: Of as many.
        n: Steps in them.

    Returns:
        The ratio, low where episodes repeat each other.
    """
    alone = [deflated(text) for text in texts]
    after, before = [], b""
    for text in texts:
        after.append(deflated(text, before))
        before = (before + text)[-WINDOW:]
    above, below = np.array(after, np.float64), np.array(alone, np.float64)
    return boot.ratio(above, below, "lexical", ends=(0, np.inf), n=n)
