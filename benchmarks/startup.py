"""How long is it from the command to the first training step?

    python -m benchmarks.startup [--repeats 3]

Starts `python -m train.vae` in processes of its own, with an empty folder for compiled programs (cold) and with the one
that the cold start filled (warm), until the first line of metrics is written; and bare imports beside it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import _result

ROOT = Path(__file__).resolve().parents[1]
TARGET = 3.0
COLD, WARM = "cold: nothing compiled before", "warm: compiled programs kept by an earlier start"


def first_step(recipe: str, given: Sequence[str], cache: Path) -> float:
    """Return seconds from the command to the first line of metrics. RuntimeError if the run ends without one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", f"train.{recipe}", *given, "--out", str(out)]
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
        start = time.perf_counter()
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            metrics = out / "metrics.jsonl"
            while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
                time.sleep(0.01)
            seconds = time.perf_counter() - start
            process.kill()
            errors = process.communicate()[1]
        if not (metrics.exists() and metrics.stat().st_size):
            raise RuntimeError(f"{' '.join(command)} ended before its first step:\n{errors}")
    return seconds


def imported(modules: str) -> float:
    """Return seconds of a process that imports `modules` and ends."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True, cwd=ROOT)
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure cold and warm starts in turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="vae")
    parser.add_argument("--repeats", type=int, default=3)
    options, given = parser.parse_known_args(arguments)
    # One step a call: the first metrics are those of the first step.
    given = ["--fuse", "1", *given]
    seconds: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            for name in (COLD, WARM):
                seconds.setdefault(name, []).append(first_step(options.recipe, given, Path(folder)))
        for name, modules in (("imports of jax alone", "jax"), ("imports of the recipe", f"train.{options.recipe}")):
            seconds.setdefault(name, []).append(imported(modules))
    rows = [{"start": name, "seconds": _result.spread(values)} for name, values in seconds.items()]
    warm = min(seconds[WARM])
    protocol = (
        f"`python -m train.{options.recipe} {' '.join(given)}`, from the command to the first line of metrics, "
        f"{options.repeats} starts of each in turns; target: warm below {TARGET:g} s, "
        + ("met" if warm < TARGET else "missed")
    )
    _result.report("startup", "From the command to the first step", protocol, rows)


if __name__ == "__main__":
    main()
