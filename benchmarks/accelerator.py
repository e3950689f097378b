"""Measure everything that an accelerator can tell, in under nine minutes, in one command.

    python -m benchmarks.accelerator [--minutes 9] [--parts gan_step layouts] [--again]

Runs the other benchmarks one after the other with settings for a large GPU, each in a process of its own, and each with
the share of the time that it may take: steps of four GANs in three precisions (of the others: `benchmarks.gan_step`)
and BigGAN at the largest batch against PyTorch or the device's product rate, layouts of convolutions, the twelve
autoencoders, the tricks (fusion, donation, prefetch, rematerialisation, bfloat16), exact saliency against the
exp-trick, images streamed from folders, and the start.

Every part writes benchmarks/results/<part>-<platform>.json as soon as it knows something, so that what a time limit
cuts short leaves what it measured; parts whose file is there are not measured again (--again measures them anew). So
the command can be given again until all are there. `--rehearse` runs the same parts at tiny sizes, on any machine.
PyTorch takes part where it is installed: pip install '.[bench]'.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import _result


class Part(NamedTuple):
    """A benchmark and its arguments. seconds: that it may take.  rehearsal: arguments that end in seconds on a CPU."""

    name: str
    seconds: float
    arguments: tuple[str, ...]
    rehearsal: tuple[str, ...]


def _part(name: str, seconds: float, arguments: str, rehearsal: str) -> Part:
    return Part(name, seconds, tuple(arguments.split()), tuple(rehearsal.split()))


PARTS = (
    _part(
        "gan_step", 210, "--rounds 7 --steps 10 --models dcgan wgan_gp sngan cyclegan",
        "--models dcgan --width 4 --batch 2 --rounds 1 --steps 1 --modes eager --precisions fp32",
    ),
    _part(
        "largest_batch", 110, "--batches 512 256 128", "--batches 2 --width 8 --steps 1 --rounds 1",
    ),
    _part("layouts", 45, "--rounds 10", "--batch 2 --rounds 1 --calls 1 --layers 1 --precisions fp32"),
    _part("twelve_models", 60, "--epochs 1000", "--epochs 1"),
    _part("saliency", 90, "--repeats 5 --cases 5 7 1 0 2 6 3 4", "--repeats 1 --cases 5"),
    _part("tricks", 110, "--images 61440", "--images 1024 --repeats 1"),
    _part(
        "input_pipeline", 60, "--images 8192 --steps 20 --seconds 1 --workers 1 4 16",
        "--images 64 --size 16 --batch 8 --width 2 --steps 1 --rounds 1 --seconds 0.05 --workers 1",
    ),
    _part("startup", 60, "--repeats 1", "--repeats 1 --steps 1 --importance-samples 0"),
)  # fmt: skip


def platform() -> str:
    """Return the name of the platform that JAX finds, asked in a process of its own that gives the device back."""
    command = [sys.executable, "-c", "import jax; print(jax.devices()[0].platform)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def result_file(folder: Path, name: str, where: str) -> Path:
    """Return the file that a benchmark writes on a platform."""
    return folder / (f"{name}.json" if where == "cpu" else f"{name}-{where}.json")


def run(part: Part, folder: Path, limit: float, rehearse: bool) -> str:
    """Run one part for at most `limit` seconds; return what became of it, in a few words."""
    arguments = part.rehearsal if rehearse else part.arguments
    # Half of the memory at once is quick to give out; the rest is PyTorch's.
    environment = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95" if part.name == "largest_batch" else "0.5", **os.environ}
    environment["GENJAX_BENCHMARK_RESULTS"] = str(folder)
    command = [sys.executable, "-m", f"benchmarks.{part.name}", *arguments]
    start = time.perf_counter()
    try:
        status = subprocess.run(command, env=environment, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        return f"cut short after {limit:.0f} s"
    spent = f"{time.perf_counter() - start:.0f} s"
    return spent if status == 0 else f"failed with status {status} after {spent}; see above"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are not measured yet; return 1 if one failed or had no time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all parts together")
    names = [part.name for part in PARTS]
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    parser.add_argument("--again", action="store_true", help="measure anew what has been measured")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--results", type=Path, default=_result.RESULTS, help="folder of the result files")
    options = parser.parse_args(arguments)
    start, where = time.perf_counter(), platform()
    options.results.mkdir(parents=True, exist_ok=True)
    became: dict[str, str] = {}
    for part in PARTS:
        if part.name not in options.parts:
            continue
        left = 60 * options.minutes - (time.perf_counter() - start)
        if result_file(options.results, part.name, where).exists() and not options.again:
            became[part.name] = "measured before"
        elif left < 10:
            became[part.name] = "no time left; give the command again"
        else:
            print(f"== {part.name}, at most {min(part.seconds, left):.0f} s", flush=True)
            became[part.name] = run(part, options.results, min(part.seconds, left), options.rehearse)
    print(f"on {where}, {time.perf_counter() - start:.0f} s in all:")
    for name, text in became.items():
        print(f"  {name}: {text}")
    return int(any("failed" in text or "no time" in text for text in became.values()))


if __name__ == "__main__":
    raise SystemExit(main())
