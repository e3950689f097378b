"""What a breakage is."""

from pathlib import Path
from typing import NamedTuple


class Breakage(NamedTuple):
    """A mistake, made by writing `new` for `old`, which occurs once in `file`.

    what: what is wrong then, in a few words.  file: from the checkout's root.
    tests: what pytest is asked to run, of which one must fail; empty where the default tests have nothing that would.
    survives: then, why.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    survives: str = ""

    def applies(self, root: Path) -> bool:
        """Return whether `old` occurs in the file below `root`, exactly once, and `new` is something else."""
        path = root / self.file
        return path.is_file() and self.old != self.new and path.read_text().count(self.old) == 1
