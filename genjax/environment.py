"""On what something was measured: device, processor, date and versions, to stand beside every number."""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("genjax-models", "jax", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn", "torch")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an optional one, or genjax run from a checkout that is not installed
            continue
    return found


def processor() -> str:
    """Return the processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:  # not Linux
        pass
    return f"{name}, {os.cpu_count()} cores"


def environment() -> dict[str, Any]:
    """Return {"device", "processor", "date", "versions"} of this process."""
    device = jax.devices()[0]
    return {
        "device": f"{len(jax.devices())} x {device.device_kind} ({device.platform})",
        "processor": processor(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions(),
    }


def memory() -> int | None:
    """Return the memory in bytes of this process's first device, of a CPU the machine's; None where it is not known."""
    device = jax.local_devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit")
    if limit is None and device.platform == "cpu" and hasattr(os, "sysconf"):
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return limit


def memory_text() -> str:
    """Return a device's memory, such as "80.0 GiB of memory"; of a CPU the machine's."""
    limit = memory()
    return "memory unknown" if limit is None else f"{limit / 2**30:.1f} GiB of memory"


def peak_memory() -> int | None:
    """Return the most bytes that were in use at once, of the first device or on a CPU of this process, if known."""
    device = jax.local_devices()[0]
    peak = (device.memory_stats() or {}).get("peak_bytes_in_use")
    if peak is None and device.platform == "cpu":
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak
