"""Which devices a run uses, and what must be told to jax before it is first used."""

import contextlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from genjax import parallel
from genjax.cpu import keep_memory
from genjax.engine.seeds import check_resident, check_shares
from genjax.environment import memory
from genjax.processes import scheduler
from genjax.run.options import MachineOptions, Options
from genjax.run.run import Run

MOST = 512
"""Virtual devices that are made of a CPU at most."""

_FORCED = "xla_force_host_platform_device_count"


def configure(devices: int | None = None, cache: bool = True) -> None:
    """Set up virtual CPU devices, memory and the persistent compilation cache; call before jax is first used."""
    if devices is not None:
        # Too late where jax has been used already; then the devices that there are have to do.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", min(max(devices, 1), MOST))
    several = jax.config.jax_num_cpu_devices > 1 or _FORCED in os.environ.get("XLA_FLAGS", "")  # type: ignore[attr-defined]
    keep_memory(alone=not several and scheduler(os.environ) is None)
    if cache and not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(base / "genjax" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def chosen(count: int | None) -> list[jax.Device]:
    """Return `count` devices, as many of each process; all for None. ValueError where there are not as many."""
    team, offered = jax.process_count(), jax.local_device_count()
    each, rest = divmod(team * offered if count is None else count, team)
    if rest or not 1 <= each <= offered:
        of_each = f" to each of {team} processes; give a multiple of {team}" if team > 1 else ""
        raise ValueError(f"--devices {count}: this machine offers {offered}{of_each}")
    return [device for index in range(team) for device in jax.local_devices(index)[:each]]


def check_memory(state: Any, devices: Sequence[jax.Device], shard: bool, copies: int = 1) -> None:
    """Raise ValueError where the arrays of a state, its part or its copies on one, are more than a device's memory."""
    limit, parts = memory(), len(devices) if shard else 1
    needed = copies * sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(state)) // parts
    if limit is not None and needed > limit:
        raise ValueError(
            f"networks and optimizers would take {needed / 2**30:,.1f} GiB of a device's {limit / 2**30:,.1f} GiB; "
            "give smaller networks, or --shard on more devices"
        )


def exhausted(error: Exception) -> str:
    """Return one sentence for an error that says that memory is used up; raise it again where it says another thing."""
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    told = " ".join(str(error).split())[:200] or "MemoryError"
    return f"there is not enough memory ({told}); give a smaller --batch-size, more --accumulate or smaller networks"


def check_places(options: MachineOptions, team: int) -> None:
    """Raise ValueError for ways of running that do not go together on a team of so many processes."""
    if options.parallel == "pmap" and (team > 1 or options.shard):
        raise ValueError("--parallel pmap keeps the whole state on every device of one process; leave it out here")


def most_devices(seeds: int, offered: int) -> int:
    """Return the largest number of devices, of those offered, that can have as many seeds each."""
    return next(count for count in range(min(seeds, offered), 0, -1) if seeds % count == 0)


def to_make(options: Options) -> int | None:
    """Return the virtual devices to make of a CPU: those asked for, or one a core where several seeds share them."""
    if options.devices is None and options.seeds > 1:
        return most_devices(options.seeds, os.cpu_count() or 1)
    return options.devices


def check_seeds(options: Options, run: Run, devices: Sequence[jax.Device]) -> None:
    """Raise ValueError where several seeds cannot share the images of a run, or devices the seeds."""
    if jax.process_count() > 1:
        raise ValueError(f"--seeds {options.seeds} trains in one process, not {jax.process_count()}; start it in one")
    if run.by_seed:
        raise ValueError(
            f"--seeds {options.seeds} trains all seeds on the same images and networks, and {run.by_seed} follow from "
            "the seed; train one --seed at a time"
        )
    check_shares(options.seeds, len(devices))
    check_resident(run.phases)


def plan(options: MachineOptions, devices: list[jax.Device]) -> parallel.Plan:
    """Return where arrays live and how the step is compiled."""
    return parallel.pmap_plan(devices) if options.parallel == "pmap" else parallel.jit_plan(devices, options.shard)
