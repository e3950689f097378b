"""Files that are whole or not there: written under a temporary name, then renamed."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
"""What the name of a file begins with while it is written."""


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it when the block ends well and removed when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{UNFINISHED}{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sentence(error: OSError) -> str:
    """Return an error of the disk or the network as one sentence: where, and what."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def say(text: str) -> None:
    """Print a sentence on stderr. Where that cannot be written, as a log on a full disk, this and the rest is lost."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # what is left in its buffer would change the exit status
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed writers left half-written in a folder; for its only writer to call."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(text: str, sections: Mapping[str, Callable[[], str]], file: str) -> str:
    """Return the text of `file` with every section between `<!-- begin NAME -->` and `<!-- end NAME -->` written anew.

    Raises ValueError, which names the file, where such marks are missing.
    """
    for name, section in sections.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{file} needs the marks '{begin}' and '{end}' once each, around its {name} section")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{section()}\n{end}{rest.split(end)[1]}"
    return text
