"""What benchmarks share: timing in turns, tables, and result files with device, date and versions."""

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from genjax.environment import environment
from genjax.files import write_text

RESULTS = Path(os.environ.get("GENJAX_BENCHMARK_RESULTS", Path(__file__).parent / "results"))
"""Where result files go; the variable names another folder."""


def in_turns(tasks: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return seconds of each task, `repeats` times each, one after the other in rounds.

    Tasks share whatever else the machine does, so that ratios hold where single times do not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def product_rate(size: int = 2048, dtype: Any = "float32") -> float:
    """Return the device's matrix-product rate in FLOP/s, the best of ten products."""
    a = jax.numpy.ones((size, size), dtype)
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    return 2 * size**3 / min(in_turns({"product": lambda: product(a).block_until_ready()}, 10)["product"])


def spread(values: Sequence[float]) -> str:
    """Return "median (lowest - highest)" of a list of numbers."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} - {max(values):.3g})"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal keys as a Markdown table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names)]
    lines += [[str(row[name]) for name in names] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(name: str, title: str, protocol: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table and write benchmarks/results/<name>.json, which `python -m benchmarks.report` renders."""
    result: dict[str, Any] = {
        "name": name,
        "title": title,
        "protocol": protocol,
        "environment": environment(),
        "rows": list(rows),
    }
    suffix = "" if jax.devices()[0].platform == "cpu" else f"-{jax.devices()[0].platform}"
    write_text(RESULTS / f"{name}{suffix}.json", json.dumps(result, indent=2) + "\n")
    print(f"{title}\n{protocol}\n{result['environment']['device']}, {result['environment']['processor']}\n")
    print(table(rows))
