"""Breaks the library in every way of the list, one at a time, and tells which breakages the tests do not notice.

    python -m tests.breakages --jobs 2 --verdicts verdicts.jsonl    # long: not a part of the default tests
    python -m tests.breakages --list
    python -m tests.breakages --only kernel

Works in copies of the tracked files. First what is to fail is run unbroken: a test that fails anyway notices nothing.
With --verdicts each verdict is kept as it is reached, and a run that is begun again goes on with the rest.
Exit status 1 where a breakage survives that a test was to catch, or no longer applies.
"""

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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


def run(copy: Path, tests: tuple[str, ...], workers: int = 0) -> tuple[str, str]:
    """Return what became of these tests in the copy ("passed", "failed" or what went wrong), and their output."""
    # Without byte code: a file that is broken and mended within a second would not be compiled again.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-n", str(workers), "-x", "-q", "-p", "no:cacheprovider", *tests]
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


def known(path: Path | None) -> dict[str, str]:
    """Return the verdicts in the file by description, of breakages that are still the same."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    same = {breakage.what: [*breakage._replace(tests=list(breakage.tests))] for _, breakage in chosen("")}
    return {row["breakage"][0]: row["verdict"] for row in rows if row["breakage"] == same.get(row["breakage"][0])}


def judge_all(breakages: list[tuple[str, Breakage]], jobs: int, verdicts: Path | None) -> Iterator[str]:
    """Yield the verdict of each breakage in their order; so many at a time, each in a copy of its own."""
    with ExitStack() as stack:
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for _ in range(jobs):
            copies.put(stack.enter_context(copied()))

        def judged(breakage: Breakage) -> str:
            copy = copies.get()
            try:
                verdict = judge(copy, breakage)
            finally:
                copies.put(copy)
            if verdicts:
                with verdicts.open("a") as file:  # in one write: other threads append too
                    file.write(json.dumps({"verdict": verdict, "breakage": breakage}) + "\n")
            return verdict

        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        yield from pool.map(judged, [breakage for _, breakage in breakages])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.breakages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="breakages with this in area, file or description")
    parser.add_argument("--list", action="store_true", help="tell them, and break nothing")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="breakages at a time (1)")
    parser.add_argument("--verdicts", type=Path, metavar="FILE", help="keep verdicts here, and leave out those it has")
    options = parser.parse_args(arguments)
    breakages = chosen(options.only)
    if not breakages:
        print(f"no breakage holds '{options.only}' in its area, file or description; see --list", file=sys.stderr)
        return 2
    if options.list:
        for area, breakage in breakages:
            print(f"{area:12}  {breakage.what}\n{'':14}{' '.join(breakage.tests) or 'hole: ' + breakage.survives}")
        return 0
    if options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: give 1 or more")
    verdicts = known(options.verdicts)
    rest = [(area, breakage) for area, breakage in breakages if breakage.what not in verdicts]
    tests = tuple(dict.fromkeys(test for _, breakage in rest for test in breakage.tests))
    if tests:
        with copied() as copy:
            outcome, output = run(copy, tests, workers=options.jobs if options.jobs > 1 else 0)
        if outcome != "passed":
            print(f"{output}\nunbroken, these tests: {outcome}; mend them first", file=sys.stderr)
            return 1
    for (area, breakage), verdict in zip(rest, judge_all(rest, options.jobs, options.verdicts), strict=True):
        verdicts[breakage.what] = verdict
        print(f"{verdict:14}  {area:12}  {breakage.what}", flush=True)
    found = [verdicts[breakage.what] for _, breakage in breakages]
    counts = {verdict: found.count(verdict) for verdict in dict.fromkeys(found)}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 0 if set(found) <= {"caught", "known hole"} else 1


if __name__ == "__main__":
    raise SystemExit(main())
