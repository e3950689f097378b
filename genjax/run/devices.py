"""Which devices a run uses, and what must be told to jax before it is first used."""

import contextlib
import os
from pathlib import Path

import jax

from genjax import parallel
from genjax.run.options import MachineOptions


def configure(devices: int | None = None, cache: bool = True) -> None:
    """Set up virtual CPU devices and the persistent compilation cache; call before jax is first used."""
    if devices is not None:
        # Too late where jax has been used already; then the devices that there are have to do.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", max(devices, 1))
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


def check_places(options: MachineOptions, team: int) -> None:
    """Raise ValueError for ways of running that do not go together on a team of so many processes."""
    if options.parallel == "pmap" and (team > 1 or options.shard):
        raise ValueError("--parallel pmap keeps the whole state on every device of one process; leave it out here")


def plan(options: MachineOptions, devices: list[jax.Device]) -> parallel.Plan:
    """Return where arrays live and how the step is compiled."""
    return parallel.pmap_plan(devices) if options.parallel == "pmap" else parallel.jit_plan(devices, options.shard)
