"""Train the slices of a stage in several processes, as many at once as there are cores.

Each process is forked from the one that read the data, so nothing is read twice, and
trains its part of the slices as if they were all there are, with its own checkpoint.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch

from tasks.artifacts.processes import Say
from tasks.artifacts.processes import side_by_side as run_side_by_side
from tasks.nets.critic import Critic
from tasks.nets.network import Network
from tasks.train.engine.loop import Curves

Report = Callable[[int, dict[str, float]], None]
T = TypeVar("T")


def split(whole: Sequence[T], parts: int) -> list[tuple[T, ...]]:
    """Divide seeds, or policies, into neighbours whose numbers differ by one at most.

    Args:
        whole: All, in the order of the stack.
        parts: How many; never more than there are to divide.
    """
    parts = min(parts, len(whole))
    cuts = [len(whole) * i // parts for i in range(parts + 1)]
    return [tuple(whole[a:b]) for a, b in pairwise(cuts)]


def side_by_side(
    parts: int,
    work: Callable[[int, Report], None],
    report: Report,
    cores: int | None = None,
) -> None:
    """Run ``work(part, report)`` for each part in a process of its own.

    A process dies with this one. The first part that fails ends all others.

    Args:
        parts: How many.
        work: Given a part's number and where to report; leaves its result in files.
        report: Called with the mean of all parts' reports.
        cores: How many processes at once, >= 1; None for as many as this one may use.

    Raises:
        RefusedError: That of the first part that was refused.
        OSError: Likewise, e.g. of a disk that is full.
        ChildProcessError: If a process was killed or raised another error; its
            traceback is on stderr.
    """
    reports: dict[int, tuple[int, dict[str, float]]]
    reports = {part: (0, {}) for part in range(parts)}

    def heard(part: int, message: tuple[int, dict[str, float]]) -> None:
        reports[part] = message
        report(*_mean(list(reports.values())))

    def train(part: int, say: Say) -> None:
        work(part, lambda done, metrics: say((done, metrics)))

    run_side_by_side(parts, train, heard, cores)


def stack(
    whole: Network | Critic,
    parts: Sequence[Network] | Sequence[Critic],
    share: tuple[int, int] = (0, 1),
) -> None:
    """Put the parts' policies, or their critics, together into one of all seeds.

    Args:
        whole: Of all seeds, overwritten.
        parts: Of some seeds each, in order. Their tensors that are as long as those of
            the whole are shared by all seeds; the others begin with the stack.
        share: Which, 0..., of how many equal shares of a part's slices is meant.
    """
    states = [part.state_dict() for part in parts]
    i, count = share
    whole.load_state_dict(
        {
            name: states[0][name]
            if states[0][name].shape == tensor.shape
            else torch.cat([state[name].chunk(count)[i] for state in states])
            for name, tensor in whole.state_dict().items()
        }
    )


def of_share(curves: Curves, slices: int, share: tuple[int, int]) -> Curves:
    """The curves of some neighbouring slices.

    Args:
        curves: A row a slice and log.
        slices: Of the whole stack.
        share: Which, 0..., of how many equal shares of them.
    """
    i, count = share
    rows = [
        row for at, row in enumerate(curves.rows) if at % slices * count // slices == i
    ]
    return Curves(curves.columns, rows)


def interleave(parts: Sequence[Curves]) -> Curves:
    """The parts' curves in one, as if all seeds had been trained in one stack."""
    rows = [row for part in parts for row in part.rows]
    return Curves(parts[0].columns, sorted(rows, key=lambda row: row[0]))


def _mean(
    reports: list[tuple[int, dict[str, float]]],
) -> tuple[int, dict[str, float]]:
    """Mean of the updates done, and of the metrics of the parts that have some."""
    done = sum(done for done, _ in reports) // len(reports)
    some = [metrics for _, metrics in reports if metrics]
    return done, {k: sum(m[k] for m in some) / len(some) for k in some[0]}
