"""Signals in their usual state, whoever started the tests."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Let signals end a process again that `nohup` or a shell's `&` had it ignore.

    A stage that was told to ignore a signal does so, warm as cold.
    """
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    ignored = [n for n in numbers if signal.getsignal(n) is signal.SIG_IGN]
    for number in ignored:
        interrupt = number == signal.SIGINT
        how = signal.default_int_handler if interrupt else signal.SIG_DFL
        signal.signal(number, how)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
