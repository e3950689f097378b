"""What a run writes while it trains: metrics as JSON lines, and whatever else is told of them.

A line is a row, {"step", "seconds", "<player>/loss", ..., "check"}. The last entry is the CRC-32 of the others as they
are written, by which a row that has changed is noticed.
"""

import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from genjax import processes
from genjax.files import write_text

METRICS = "metrics.jsonl"
"""Name of the file in a run's folder."""
CHECK = "check"
"""Name of the entry of a line that is no metric."""


def _strict(value: Any) -> Any:
    """Return a number that strict JSON can hold; what is not finite becomes null."""
    if isinstance(value, int):
        return value
    value = float(value)
    return value if math.isfinite(value) else None


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file.

    A last line that a kill cut short is left out; other lines that are no rows, or not those that were written, are
    left out too, and named on stderr.
    """
    path = Path(path)
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    rows, damaged = [], []
    for number, line in enumerate(lines, 1):
        row = _parsed(line)
        if row is not None:
            rows.append(row)
        elif line and number < len(lines):  # every whole line ends in a line break
            damaged.append(number)
    if damaged:
        named = ", ".join(map(str, damaged[:5])) + (" and others" if len(damaged) > 5 else "")
        print(f"{path} is damaged, or was edited, in line {named}, which is left out", file=sys.stderr)
    return rows


def _parsed(line: str) -> dict[str, Any] | None:
    """Return the row that a line holds, or None: a step and numbers, of which those that were not finite are null."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return None
    if row.pop(CHECK, _check(row)) != _check(row):
        return None
    numbers = all(value is None or isinstance(value, (int, float)) for value in row.values())
    return row if numbers else None


def _row(step: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {"step": step, **{name: _strict(value) for name, value in metrics.items()}}


def _check(row: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(row).encode()):08x}"


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps({**row, CHECK: _check(row)}) + "\n"


Writer = Callable[[int, Mapping[str, Any]], Any]
Tracker = Callable[[Path, int], AbstractContextManager[Writer]]
"""(folder, the step that a run is continued from or 0) -> what takes every row, until the block ends."""


@contextmanager
def metrics_writer(
    folder: Path | None,
    resume_at: int = 0,
    trackers: Sequence[Tracker] = (),
    rows: list[dict[str, Any]] | None = None,
) -> Iterator[tuple[Writer, list[dict[str, Any]]]]:
    """Yield `write(step, metrics)`, which appends rows to `metrics.jsonl`, and the rows that are there already.

    trackers: what is told of every row too, but for values that are not finite.  folder: None writes no file; `rows` is
    a list that gets them instead.  resume_at: rows of later steps, which a killed run wrote after its last checkpoint,
    are dropped first. Writing raises OSError where the folder has been removed.
    """
    if not processes.is_first():
        yield (lambda step, metrics: None), []
        return
    if folder is None:
        kept = [] if rows is None else rows
        yield (lambda step, metrics: kept.append(_row(step, metrics))), []
        return
    path = folder / METRICS
    known = [row for row in read_rows(path) if row["step"] <= resume_at] if resume_at else []
    write_text(path, "".join(map(_line, known)))
    with ExitStack() as stack:
        others = [stack.enter_context(tracker(folder, resume_at)) for tracker in trackers]
        file = stack.enter_context(path.open("a", encoding="utf-8", buffering=1))

        def write(step: int, metrics: Mapping[str, Any]) -> None:
            if not path.exists():  # what is written to a removed file is lost without an error
                raise OSError(f"{path} has been removed while the run wrote to it; start the run again")
            row = _row(step, metrics)
            file.write(_line(row))
            for other in others:
                other(step, {name: value for name, value in row.items() if name != "step" and value is not None})

        yield write, known
