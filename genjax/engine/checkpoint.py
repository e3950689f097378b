"""Checkpoints by orbax: asynchronous, the newest few kept, never half-written.

A checkpoint is one folder named by its step. Orbax writes it under a temporary name and renames it when it is whole,
so a process killed at any moment leaves only checkpoints that can be restored. Of several processes the first one
alone opens and writes them, and tells the others what it read (`genjax.processes`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genjax import processes
from genjax.engine.state import State


@contextmanager
def open_checkpoints(folder: Path | str | None, keep: int = 3) -> Iterator[Any]:
    """Yield an orbax CheckpointManager over `folder`, or None without one and in other processes than the first.

    The end of the block waits for pending saves.
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
    with ocp.CheckpointManager(folder, options=options) as manager:
        yield manager


def save(manager, state: State, meta: dict[str, Any]) -> None:
    """Start saving `state` and `meta` (JSON) as step `state.step`; returns before the files are written."""
    import orbax.checkpoint as ocp

    step = int(state.step)
    if manager is not None and step not in manager.all_steps():
        if jax.process_count() > 1:  # orbax takes arrays of one process among several as NumPy's only
            state = jax.tree.map(np.asarray, state)
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta))
        manager.save(step, args=items)


def latest_step(manager) -> int | None:
    """Return the step of the newest whole checkpoint, None where there is none; the same in every process."""
    return processes.from_first(lambda: None if manager is None else manager.latest_step())


def read_meta(manager, step: int | None = None) -> dict[str, Any] | None:
    """Return the `meta` of `step` (default: the newest checkpoint), or None where there is no checkpoint."""
    import orbax.checkpoint as ocp

    def read():
        chosen = manager.latest_step() if step is None else step
        if chosen is None:
            return None
        return manager.restore(chosen, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]

    return processes.from_first(read)


def restore(manager, like: State, step: int | None = None, sharding: jax.sharding.Sharding | None = None) -> State:
    """Return the state saved at `step` (default: the newest), placed on `sharding` (default: the first device).

    like: a state, or its `jax.eval_shape`, with the structure that was saved.
    Raises ValueError where the checkpoint holds another structure or shape.
    """
    import orbax.checkpoint as ocp

    if manager is None:
        return processes.arrays_from_first(jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like))
    step = manager.latest_step() if step is None else step
    sharding = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like)
    state = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))["state"]
    return processes.arrays_from_first(state)
