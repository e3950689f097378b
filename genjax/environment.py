"""On what something was measured: device, processor, date and versions, to stand beside every number."""

import os
import platform
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
