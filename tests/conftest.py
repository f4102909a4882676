"""In which order files are tested, and that tests can be interrupted."""

import signal
from collections import Counter

import pytest

# A shell's background jobs ignore it, and so would the runs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HEAVY = {"e2e", "prefect", "slow"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with the most heavy tests first, so that no core is left with one at last.

    A file is one worker's; ``--no-loadscope-reorder`` keeps this order.
    """
    heavy = Counter(
        item.path
        for item in items
        if HEAVY & {mark.name for mark in item.iter_markers()}
    )
    items.sort(key=lambda item: -heavy[item.path])
