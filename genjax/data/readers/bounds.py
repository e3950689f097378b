"""Refuses what would not fit into memory before it is read."""

import os

from genjax.data.errors import DataError

SHARE = 0.8


def memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check(nbytes: int, what: object, cure: str = "use a smaller part of it") -> None:
    """Raise DataError where `nbytes` of `what` are more than SHARE of the machine's memory."""
    if nbytes > SHARE * memory():
        raise DataError(
            f"{what} would take {nbytes / 2**30:.1f} GiB, and this machine has {memory() / 2**30:.1f} GiB; {cure}"
        )
