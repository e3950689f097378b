"""Breaks the library in every way of the list, one at a time, and tells which breakages the tests do not notice.

    python -m tests.breakages                    # hours: not a part of the default tests
    python -m tests.breakages --list
    python -m tests.breakages --only kernel

Works in a copy of the tracked files. First what is to fail is run unbroken: a test that fails anyway notices nothing.
Exit status 1 where a breakage survives that a test was to catch, or no longer applies.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.breakages.breakage import Breakage
from tests.breakages.lists import AREAS

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1800
"""Seconds after which a selection of tests is stopped."""


@contextmanager
def copied() -> Iterator[Path]:
    """Yield a copy of the tracked files as they are, with the reference data beside it, where there are any."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="genjax-breakages-") as folder:
        copy = Path(folder) / "checkout"
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        reference = ROOT.parent / "shared"
        if reference.is_dir():
            (Path(folder) / "shared").symlink_to(reference)
        yield copy


def run(copy: Path, tests: tuple[str, ...]) -> tuple[str, str]:
    """Return what became of these tests in the copy ("passed", "failed" or what went wrong), and their output."""
    # Without byte code: a file that is broken and mended within a second would not be compiled again.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"still running after {LIMIT} s", ""
    outcomes = {0: "passed", 1: "failed", 5: "no test ran"}
    return outcomes.get(done.returncode, f"pytest ended with {done.returncode}"), done.stdout + done.stderr


def judge(copy: Path, breakage: Breakage) -> str:
    """Return "caught", "known hole", "SURVIVED" or what went wrong, of one breakage; the copy is as before."""
    if not breakage.applies(copy):
        return "DOES NOT APPLY"
    if not breakage.tests:
        return "known hole"
    path = copy / breakage.file
    whole = path.read_text()
    path.write_text(whole.replace(breakage.old, breakage.new))
    try:
        outcome, _ = run(copy, breakage.tests)
    finally:
        path.write_text(whole)
    return {"failed": "caught", "passed": "SURVIVED"}.get(outcome, outcome.upper())


def chosen(word: str) -> list[tuple[str, Breakage]]:
    """Return (area, breakage) of those whose area, file or description holds the word."""
    return [
        (area, breakage)
        for area, breakages in AREAS.items()
        for breakage in breakages
        if word.lower() in f"{area} {breakage.file} {breakage.what}".lower()
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.breakages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="breakages with this in area, file or description")
    parser.add_argument("--list", action="store_true", help="tell them, and break nothing")
    options = parser.parse_args(arguments)
    breakages = chosen(options.only)
    if not breakages:
        print(f"no breakage holds '{options.only}' in its area, file or description; see --list", file=sys.stderr)
        return 2
    if options.list:
        for area, breakage in breakages:
            print(f"{area:12}  {breakage.what}\n{'':14}{' '.join(breakage.tests) or 'hole: ' + breakage.survives}")
        return 0
    with copied() as copy:
        tests = tuple(dict.fromkeys(test for _, breakage in breakages for test in breakage.tests))
        outcome, output = run(copy, tests) if tests else ("passed", "")
        if outcome != "passed":
            print(f"{output}\nunbroken, these tests: {outcome}; mend them first", file=sys.stderr)
            return 1
        found = []
        for area, breakage in breakages:
            found.append(judge(copy, breakage))
            print(f"{found[-1]:14}  {area:12}  {breakage.what}", flush=True)
    counts = {verdict: found.count(verdict) for verdict in dict.fromkeys(found)}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 0 if set(found) <= {"caught", "known hole"} else 1


if __name__ == "__main__":
    raise SystemExit(main())
