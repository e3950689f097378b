"""Checkpoints by orbax: asynchronous, the newest few kept, never half-written, and checked when they are read.

A checkpoint is one folder named by its step. Orbax writes it under a temporary name and renames it when it is whole,
so a process killed at any moment leaves only checkpoints that can be restored. Beside the arrays lies what they were:
names, shapes, types and a checksum of their bytes. A disk that gives back something else is noticed, and the newest
checkpoint that is what was saved is taken. Of several processes the first one alone opens and writes checkpoints, and
tells the others what it read (`genjax.processes`).
"""

import asyncio
import gc
import hashlib
import json
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genjax import processes
from genjax.engine.state import State

NAMED = 4
"""Arrays that an error names before it counts the rest."""

PATIENCE = 10.0
"""Seconds for which a writer that has been given up is waited for."""
POOLS = ("ThreadPoolExecutor", "asyncio")
"""How the names of threads begin that stay, and wait for work."""


class DamagedError(ValueError):
    """A checkpoint is not what was saved."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep orbax's threads from printing tracebacks of errors that reach the caller too, as exceptions."""
    log, hook, before = logging.getLogger("absl"), sys.unraisablehook, set(threading.enumerate())
    level = log.level

    def left(unraisable: Any) -> None:
        """Leave out what tensorstore says to tasks that orbax has given up."""
        if not (asyncio.iscoroutine(unraisable.object) or "Event loop is closed" in str(unraisable.exc_value)):
            hook(unraisable)

    log.setLevel(logging.CRITICAL)
    sys.unraisablehook = left
    try:
        yield
    finally:
        # A writer that has been given up would complain when the process ends.
        for thread in set(threading.enumerate()) - before:
            if not thread.daemon and not thread.name.startswith(POOLS):
                thread.join(PATIENCE)
        gc.collect()  # so that given up tasks end here
        sys.unraisablehook = hook
        log.setLevel(level)


@contextmanager
def open_checkpoints(folder: Path | str | None, keep: int = 3) -> Iterator[Any]:
    """Yield an orbax CheckpointManager over `folder`, or None without one and in other processes than the first.

    The end of the block waits for pending saves. Raises OSError where they could not be written.
    """
    if folder is None or not processes.is_first():
        yield None
        return
    import orbax.checkpoint as ocp
    from orbax.checkpoint import checkpoint_managers

    folder = Path(folder).absolute()
    options = ocp.CheckpointManagerOptions(
        preservation_policy=checkpoint_managers.LatestN(keep), cleanup_tmp_directories=True
    )
    if jax.process_count() > 1:
        folder.mkdir(parents=True, exist_ok=True)  # orbax makes it for all processes or for none
        options.create = False
        options.multiprocessing_options = ocp.options.MultiprocessingOptions(
            primary_host=0, active_processes={0}, barrier_sync_key_prefix="genjax"
        )
    with _quiet():
        manager = ocp.CheckpointManager(folder, options=options)
        try:
            yield manager
            with _writing(folder):
                manager.wait_until_finished()
        finally:
            with _writing(folder):
                manager.close()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn whatever orbax and its storage raise for a disk that is full, read-only or gone into one OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # tensorstore has no class for this: ValueError, RuntimeError, XlaRuntimeError
        text = " ".join(str(error).split())
        known = (
            "No space left on device", "Read-only file system", "Permission denied", "No such file or directory",
            "File too large",
        )  # fmt: skip
        cause = next((words for words in known if words in text), text[:200])
        raise OSError(f"the checkpoint could not be written to {folder}: {cause}") from error


def contents(state: State) -> dict[str, Any]:
    """Return what a state holds: "arrays", {name: [shape, type]}, and "checksum", SHA-256 of names and bytes."""
    digest, arrays = hashlib.sha256(), {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        name, array = _name(path), np.asarray(leaf)
        arrays[name] = [list(array.shape), str(array.dtype)]
        digest.update(f"{name} {arrays[name]}".encode())
        digest.update(np.ascontiguousarray(array).data if array.dtype.kind in "biuf" else array.tobytes())
    return {"arrays": arrays, "checksum": digest.hexdigest()}


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _checksum(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def save(manager, state: State, meta: dict[str, Any]) -> None:
    """Start saving `state` and `meta` (JSON) as step `state.step`; returns before the files are written.

    Raises OSError where this or an earlier save could not be written.
    """
    import orbax.checkpoint as ocp

    step = int(state.step)
    if manager is None or step in manager.all_steps():
        return
    if jax.process_count() > 1:  # orbax takes arrays of one process among several as NumPy's only
        state = jax.tree.map(np.asarray, state)
    told = {**meta, "contents": contents(state)}
    told = json.loads(json.dumps(told))  # as it will be read: tuples are lists
    items = ocp.args.Composite(
        state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave({**told, "checksum": _checksum(told)})
    )
    with _writing(Path(manager.directory)):
        manager.save(step, args=items)


def remove_surplus(manager, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints, which a process that was killed may have left."""
    if manager is None:
        return
    surplus = sorted(manager.all_steps())[:-keep]
    for step in surplus:
        shutil.rmtree(Path(manager.directory) / str(step), ignore_errors=True)
    if surplus:
        manager.reload()


def latest_step(manager) -> int | None:
    """Return the step of the newest whole checkpoint, None where there is none; the same in every process."""
    return processes.from_first(lambda: None if manager is None else manager.latest_step())


def _read_meta(manager, step: int) -> dict[str, Any]:
    """Return the `meta` that was saved with a step, with "contents"; DamagedError where it is something else."""
    import orbax.checkpoint as ocp

    try:
        meta = manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
        checksum = meta.pop("checksum")
    except Exception as error:  # whatever a damaged file makes of orbax
        raise DamagedError(f"checkpoint {step} cannot be read ({type(error).__name__})") from None
    if checksum != _checksum(meta):
        raise DamagedError(f"checkpoint {step} is damaged: what it says of itself has changed")
    return meta


def _read_state(manager, step: int, meta: Mapping[str, Any], like: State, sharding: Any) -> State:
    """Return the state of a step; ValueError where `like` is another one, DamagedError where its bytes are others."""
    import orbax.checkpoint as ocp

    sharding = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like)
    _check_fit(step, meta["contents"]["arrays"], target)
    try:
        state = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))["state"]
    except Exception as error:  # whatever a damaged file makes of orbax and tensorstore
        raise DamagedError(f"checkpoint {step} cannot be read ({type(error).__name__})") from None
    if contents(state) != meta["contents"]:
        raise DamagedError(f"checkpoint {step} is damaged: its arrays have changed since they were saved")
    return state


def _check_fit(step: int, saved: Mapping[str, Any], like: Any) -> None:
    """Raise ValueError, which names arrays, where a checkpoint holds others than `like`."""
    expected = {
        _name(path): [list(leaf.shape), str(leaf.dtype)] for path, leaf in jax.tree_util.tree_leaves_with_path(like)
    }
    wrong = [name for name in {**saved, **expected} if saved.get(name) != expected.get(name)]
    if wrong:

        def told(array: Any) -> str:
            return "missing" if array is None else f"{array[1]}{array[0]}"

        lines = [f"{name} is {told(saved.get(name))} there and {told(expected.get(name))} here" for name in wrong]
        more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise ValueError(
            f"checkpoint {step} does not fit this model: {'; '.join(lines[:NAMED])}{more}; give the options that it "
            "was trained with"
        )


def restore(
    manager,
    like: Callable[[Mapping[str, Any]], State],
    *,
    discard: bool = False,
    sharding: jax.sharding.Sharding | None = None,
) -> tuple[State, dict[str, Any]] | None:
    """Return the newest checkpoint that is what was saved, (state, meta), or None where there is no checkpoint at all.

    like: meta -> the state, or its `jax.eval_shape`, with the structure that was saved with it.
    discard: remove newer ones that are damaged, so that their steps can be saved again; they are named on stderr.
    sharding: where arrays are placed, the first device if not given.
    Raises ValueError where the checkpoint holds another structure or shapes, and DamagedError where all are damaged.
    """
    kept: list[State] = []

    def read() -> dict[str, Any] | None:
        steps = sorted(manager.all_steps(), reverse=True)
        for step in steps:
            try:
                meta = _read_meta(manager, step)
                kept.append(_read_state(manager, step, meta, like(meta), sharding))
            except DamagedError as error:
                if step == steps[-1]:
                    raise DamagedError(f"{error}, and there is no other one in {manager.directory}") from None
                print(f"{error}; going back to an older one", file=sys.stderr)
                if discard:
                    shutil.rmtree(Path(manager.directory) / str(step), ignore_errors=True)
                    manager.reload()
            else:
                del meta["contents"]
                return meta
        return None

    meta = processes.from_first(read)
    if meta is None:
        return None
    state = kept[0] if kept else jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like(meta))
    return processes.arrays_from_first(state), meta
