"""SIGTERM, SIGINT and SIGHUP as a wish to stop, which the loop asks for between two calls."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from genjax.processes import WISHES


@contextmanager
def caught() -> Iterator[list[int]]:
    """Yield a list to which `WISHES` are appended; a second one acts as if there were no handler.

    One that is ignored, as `nohup` ignores SIGHUP, stays ignored.
    """
    received: list[int] = []

    def handler(number, frame):
        received.append(number)
        signal.signal(number, previous[number])

    previous = {}
    for number in WISHES:
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            previous[number] = signal.signal(number, handler)
        except ValueError:  # not in the main thread: signals are someone else's
            break
    try:
        yield received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
