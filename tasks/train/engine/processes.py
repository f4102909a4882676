"""Train the seeds of a stack in several processes, as many at once as there are cores.

Each process is forked from the one that read the data, so nothing is read twice, and
trains its part of the seeds as if they were all there are, with its own checkpoint.
Which seed is in which part depends on the parameters alone.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from tasks.artifacts.processes import Say
from tasks.artifacts.processes import side_by_side as run_side_by_side
from tasks.nets.critic import Critic
from tasks.nets.policy import Policy
from tasks.train.engine.loop import Curves

Report = Callable[[int, dict[str, float]], None]


def split(seeds: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Divide seeds into parts of neighbours whose sizes differ by one at most.

    Args:
        seeds: All, in the order of the stack.
        parts: How many; never more than seeds.
    """
    parts = min(parts, len(seeds))
    cuts = [len(seeds) * i // parts for i in range(parts + 1)]
    return [tuple(seeds[a:b]) for a, b in pairwise(cuts)]


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


def stack(whole: Policy | Critic, parts: Sequence[Policy] | Sequence[Critic]) -> None:
    """Put the parts' policies, or their critics, together into one of all seeds.

    Args:
        whole: Of all seeds, overwritten.
        parts: Of some seeds each, in order. Their tensors that are as long as those of
            the whole are shared by all seeds; the others begin with the stack.
    """
    states = [part.state_dict() for part in parts]
    whole.load_state_dict(
        {
            name: states[0][name]
            if states[0][name].shape == tensor.shape
            else torch.cat([state[name] for state in states])
            for name, tensor in whole.state_dict().items()
        }
    )


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
