"""The folder of a run: its name, its configuration, who writes to it, and what a run that is continued must keep."""

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genjax import files, processes
from genjax.run.options import LENGTH, OPERATIONAL, Options

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

CONFIG = "config.json"


def named(program: str, data: str) -> Path:
    """Return runs/PROGRAM-DATA for a data source."""
    stem = Path(data.rstrip("/")).stem if data.endswith(".npz") else data.rstrip("/").split("/")[-1]
    return Path("runs") / f"{program}-{stem.replace(':', '-')}"


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a run; ValueError where the folder holds no run, or the file cannot be read."""
    path = folder / CONFIG
    if not path.exists():
        raise ValueError(f"{folder} holds no run: there is no {CONFIG}; give a folder that a recipe wrote")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        known = {name: config[name] for name in ("recipe", "preset", "hyper", "data", "environment", "starts")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or not of a run ({type(error).__name__}: {error})") from None
    for name, kind in {"recipe": str, "preset": str, "hyper": dict, "data": dict, "starts": list}.items():
        if not isinstance(known[name], kind):
            raise ValueError(f"{path} is damaged or not of a run ({name} is {known[name]!r})")
    if config.get("checksum") != _checksum(config):
        print(f"{path} is not as it was written: it was edited, or is damaged", file=sys.stderr)
    return known


def _checksum(config: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in config.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration of a run, with a checksum by which changes are noticed."""
    text = json.loads(json.dumps(config))
    files.write_text(folder / CONFIG, json.dumps({**text, "checksum": _checksum(text)}, indent=2) + "\n")


def to_resume(recipe: str, options: Options) -> Path:
    """Return the folder of the run that --resume continues: the one in --out, else the newest of its name."""
    if options.out is not None:
        if not (options.out / CONFIG).exists():
            raise ValueError(f"--resume found no run in {options.out}; start one without it, or name another --out")
        return options.out
    base = named(recipe, options.data)
    found = [folder for folder in _numbered(base) if (folder / CONFIG).exists()]
    if not found:
        raise ValueError(f"--resume found no run in {base}; start one without it, or name its folder with --out")
    return found[-1]


def _numbered(base: Path) -> list[Path]:
    """Return the folders with this name and a number that are there, and the next free one."""
    known, number = [base], 2
    while known[-1].exists():
        known.append(base.with_name(f"{base.name}-{number}"))
        number += 1
    return known


def check_same(saved: Mapping[str, Any], config: Mapping[str, Any], *, folder: Path, force: bool) -> None:
    """Refuse to continue a run whose hyperparameters or data are not the ones given, and say what differs.

    More steps than the run had are no difference.
    """

    def relevant(c: Mapping[str, Any]) -> dict[str, Any]:
        flat = {name: value for name, value in c["hyper"].items() if name not in OPERATIONAL | LENGTH}
        return {**flat, **{f"data: {name}": value for name, value in c["data"].items()}, "recipe": c["recipe"]}

    old, new = relevant(saved), relevant(config)
    lines = [f"  {k}: {old.get(k)!r} -> {new.get(k)!r}" for k in sorted(old | new) if old.get(k) != new.get(k)]
    if lines and not force:
        raise ValueError(
            "this is not the run that was started; it differs in (saved -> given)\n"
            + "\n".join(lines)
            + f"\ngive the values of {folder / CONFIG}, or add --force to continue all the same"
        )
    if lines:
        print("continuing with other values, as forced:\n" + "\n".join(lines), file=sys.stderr)


def steps_done(folder: Path) -> int:
    """Return the step of the newest checkpoint in a run's folder, 0 where there is none."""
    return max((int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()), default=0)


def _check_longer(folder: Path, total: int) -> None:
    """Raise ValueError where a run that is continued has done more steps than it is to have in all."""
    done = steps_done(folder)
    if total < done:
        raise ValueError(
            f"{folder} has done {done} steps, more than the {total} that are asked for; give --steps {done} or more"
        )


@contextmanager
def opened(
    recipe: str, options: Options, config: Mapping[str, Any], *, steps: int, command: Sequence[str]
) -> Iterator[Path]:
    """Yield the run's folder, with its configuration written, as its only writer; every process is given the same one.

    steps: that the run is to have in all.  command: how it was started.

    A folder has one writer at a time: the lock belongs to the process and ends with it, however that ends.
    Raises ValueError where another process writes to the folder that is asked for, or it holds a run that is not to be
    continued; OSError where it cannot be written.
    """
    locks: list[int] = []

    def claim() -> str:
        folder, lock = _claimed(recipe, options)
        locks.append(lock)
        files.remove_unfinished(folder)
        start = {
            "command": " ".join(command),
            "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "from_step": steps_done(folder) if options.resume else 0,
            "data": config["data"]["fingerprint"],
            "host": socket.gethostname(),
            "process": os.getpid(),
        }
        earlier = []
        if options.resume:
            saved = read_config(folder)
            check_same(saved, config, folder=folder, force=options.force)
            _check_longer(folder, steps)
            earlier = saved["starts"]
        write_config(folder, {**config, "starts": [*earlier, start]})
        return str(folder)

    try:
        yield Path(processes.from_first(claim))
    finally:
        for lock in locks:
            os.close(lock)


def _claimed(recipe: str, options: Options) -> tuple[Path, int]:
    """Return the folder to write to and its lock: the one that is asked for, or the first of its name that is free."""
    if options.resume or options.out is not None:
        folder = to_resume(recipe, options) if options.resume else options.out
        assert folder is not None
        lock = _lock(folder)
        if lock is None:
            raise ValueError(f"{folder} is being written by {_writer(folder)}; wait until that has ended, or stop it")
        if not options.resume and (folder / CONFIG).exists():
            os.close(lock)
            raise ValueError(f"{folder} holds a run already; add --resume to continue it, or choose another --out")
        return folder, lock
    base = named(recipe, options.data)
    number = 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        number += 1
        if (folder / CONFIG).exists():
            continue
        lock = _lock(folder)
        if lock is None:
            continue
        if not (folder / CONFIG).exists():  # it may have been written, and released, in between
            return folder, lock
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder, which is made, until it is closed; None if it is held."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    if fcntl is None:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:  # some network file systems
        print(f"{folder} cannot be locked ({error.strerror}): let no other run write to it", file=sys.stderr)
    return descriptor


def _writer(folder: Path) -> str:
    """Return who writes to a run's folder, as its configuration says."""
    try:
        start = read_config(folder)["starts"][-1]
        return f"process {start['process']} on {start['host']}"
    except (ValueError, IndexError, KeyError, TypeError):
        return "another process"
