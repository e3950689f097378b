"""Runs that start in a moment: forks of a process that has imported everything, read the data and used jax for nothing.

A fork is sound as long as the process has one thread, which is checked. Compiled programs are kept from start to start
in jax's cache on disk.
"""

import functools
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import context, forkserver, get_context
from pathlib import Path
from unittest import mock

from genjax import files
from genjax.engine import checkpoint
from genjax.run import cli, training
from genjax.run.load import load
from genjax.run.run import recipe
from tests.campaign.tiny import OPTIONS, STEPS

EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree", "tempfile.mkstemp")
"""What a process is killed at: Python says each of these before it does it."""
RECIPES = "GENJAX_CAMPAIGN_RECIPES"
"""Variable by which the server is told what to read."""


def preload(recipes: Sequence[str]) -> None:
    """Import what runs import on their way, and read the data sets of these recipes.

    Of curves, which take longer to draw than all else, the numbers are written.
    """
    import tyro  # noqa: F401

    cli.load_data = functools.cache(cli.load_data)  # type: ignore[assignment]
    training.save_curves = lambda rows, path: files.write_text(path, Path(rows).read_text())
    for name in recipes:
        cli.load_data(options(name))


def options(name: str) -> object:
    """Return the options of a recipe's tiny run."""
    return cli.parse_recipe(recipe(name), OPTIONS[name])[1]


@functools.cache
def server(recipes: tuple[str, ...]) -> context.ForkServerContext:
    """Return the context whose processes are forks of a server that has done `preload` for these recipes."""
    found = get_context("forkserver")
    found.set_forkserver_preload([__name__])
    cache = os.path.join(tempfile.gettempdir(), "genjax-campaign-cache")
    environment = {
        "JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1", RECIPES: ",".join(recipes),
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }  # fmt: skip
    with mock.patch.dict(os.environ, environment):
        forkserver.ensure_running()
    return found


if os.environ.get(RECIPES):
    preload(os.environ.pop(RECIPES).split(","))


def to_file(said: Path) -> None:
    """Have this process write to a file what it says."""
    sink = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)


def sums(folders: Sequence[Path], said: Path, told: Path) -> None:
    """Write to `told` the step and the checksum of the newest checkpoint of every run, read as programs read it."""
    to_file(said)
    states = [load(folder).state for folder in folders]
    found = [[int(state.step), checkpoint.contents(state)["checksum"]] for state in states]
    told.write_text(json.dumps(found))


def train(
    name: str, out: Path, said: Path, given: Sequence[str], *, kill_at: int = 0, count: bool = False,
    longest: int | None = None,
) -> None:  # fmt: skip
    """Train a tiny run as its process's work: streams go to the file `said`, the status is the process's.

    kill_at: the file operation in `out`, by number, before which the process kills itself; 0 for none.
    count: write to the file `said` with .events behind it how many there were.
    longest: bytes that a file may have; None for no limit.
    """
    to_file(said)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server ignores it
    if longest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest, resource.RLIM_INFINITY))
    seen = 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event in EVENTS and any(str(out) in os.fsdecode(x) for x in arguments if isinstance(x, (str, bytes, Path))):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    if kill_at or count:
        sys.addaudithook(look)
    every = ["--steps", str(STEPS), "--checkpoint-every", "2", "--evaluate-every", "4", "--fuse", "1"]
    status = cli.main(name, [*OPTIONS[name], *every, "--out", str(out), *given])
    if count:
        Path(f"{said}.events").write_text(str(seen))
    sys.exit(status)
