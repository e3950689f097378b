"""Checkpoints by orbax: asynchronous, the newest few kept, never half-written.

A checkpoint is one folder named by its step. Orbax writes it under a temporary name and renames it when it is whole,
so a process killed at any moment leaves only checkpoints that can be restored.
"""

from pathlib import Path
from typing import Any

import jax

from genjax.engine.state import State


def open_checkpoints(folder: Path | str, keep: int = 3):
    """Return an orbax CheckpointManager over `folder`; use it in a `with` block, which waits for pending saves."""
    import orbax.checkpoint as ocp
    from orbax.checkpoint import checkpoint_managers

    policy = checkpoint_managers.LatestN(keep)
    options = ocp.CheckpointManagerOptions(preservation_policy=policy, cleanup_tmp_directories=True)
    return ocp.CheckpointManager(Path(folder).absolute(), options=options)


def save(manager, state: State, meta: dict[str, Any]) -> None:
    """Start saving `state` and `meta` (JSON) as step `state.step`; returns before the files are written."""
    import orbax.checkpoint as ocp

    step = int(state.step)
    if step not in manager.all_steps():
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta))
        manager.save(step, args=items)


def read_meta(manager, step: int | None = None) -> dict[str, Any] | None:
    """Return the `meta` of `step` (default: the newest checkpoint), or None where there is no checkpoint."""
    import orbax.checkpoint as ocp

    step = manager.latest_step() if step is None else step
    if step is None:
        return None
    return manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]


def restore(manager, like: State, step: int | None = None, sharding: jax.sharding.Sharding | None = None) -> State:
    """Return the state saved at `step` (default: the newest), placed on `sharding` (default: the first device).

    like: a state, or its `jax.eval_shape`, with the structure that was saved.
    Raises ValueError where the checkpoint holds another structure or shape.
    """
    import orbax.checkpoint as ocp

    step = manager.latest_step() if step is None else step
    sharding = sharding or jax.sharding.SingleDeviceSharding(jax.devices()[0])
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like)
    return manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))["state"]
