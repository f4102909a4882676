"""Where the nodes of a graph stand: in rows, each below all that it reads.

The method is Sugiyama's: rows by the longest way down, an empty place in each row that
a line passes, neighbours ordered by the mean place of what they are joined to.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

Place = tuple[str, int]  # a node in its row, or the place where a line to it passes
SWEEPS = 12


def rows(reads: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The row of each node, 0 the top one, as low as what reads it allows.

    Args:
        reads: By node the nodes it reads, which come before it.
    """
    depth: dict[str, int] = {}
    for name, above in reads.items():
        depth[name] = max((depth[other] + 1 for other in above), default=0)
    row = dict.fromkeys(reads, max(depth.values()))
    for name in reversed([*reads]):
        for other in reads[name]:
            row[other] = min(row[other], row[name] - 1)
    return row


def placed(
    reads: Mapping[str, Sequence[str]], wide: Mapping[str, float], gap: float
) -> tuple[dict[Place, float], list[list[Place]]]:
    """The middle of each place, and the lines as places from top to bottom.

    Args:
        reads: By node the nodes it reads, which come before it.
        wide: The width of each node.
        gap: Between neighbours; a line that passes takes no more room.
    """
    row = rows(reads)
    lines = [
        [
            (other, row[other]),
            *((f"{other} {name}", r) for r in between),
            (name, row[name]),
        ]
        for name, above in reads.items()
        for other in above
        for between in [range(row[other] + 1, row[name])]
    ]
    order: list[list[Place]] = [[] for _ in range(max(row.values()) + 1)]
    for name in reads:
        order[row[name]].append((name, row[name]))
    for line in lines:
        for place in line[1:-1]:
            order[place[1]].append(place)
    joined: dict[Place, list[Place]] = {p: [] for places in order for p in places}
    for line in lines:
        for a, b in pairwise(line):
            joined[a].append(b)
            joined[b].append(a)
    width = {place: wide.get(place[0], 0.0) for place in joined}
    middle: dict[Place, float] = {}
    for places in order:
        _set(places, [0.0] * len(places), width, gap, middle)
    for sweep in range(SWEEPS):
        for places in order if sweep % 2 else reversed(order):
            wish = {
                p: fmean([middle[q] for q in joined[p]] or [middle[p]]) for p in places
            }
            places.sort(key=wish.__getitem__)
            _set(places, [wish[p] for p in places], width, gap, middle)
    return middle, lines


def _set(
    places: Sequence[Place],
    wish: Sequence[float],
    width: Mapping[Place, float],
    gap: float,
    middle: dict[Place, float],
) -> None:
    """Place a row's nodes as near to where they wish as their widths allow."""
    at: list[float] = []
    for place, wished in zip(places, wish, strict=True):
        least = wished
        if at:
            before = places[len(at) - 1]
            least = at[-1] + (width[before] + width[place]) / 2 + gap
        at.append(max(wished, least))
    shift = fmean(a - w for a, w in zip(at, wish, strict=True)) if at else 0.0
    # whole numbers, so that no machine rounds otherwise
    middle.update((p, round(a - shift)) for p, a in zip(places, at, strict=True))
