"""All cases, of every kind."""

from collections.abc import Iterator

from tests.hazards import (
    datasets,
    disks,
    graphs,
    locks,
    names,
    parameters,
    policies,
    tables,
)
from tests.hazards.case import Case


def every() -> Iterator[Case]:
    """Kind by kind."""
    for kind in (parameters, names, datasets, policies, graphs, tables, locks, disks):
        yield from kind.cases()
