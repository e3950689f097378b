"""Where a run's arrays live and how its step is compiled: `jit` over a mesh of devices, or `pmap`.

Both are data-parallel with the same mathematics: with SGD and one batch they agree to float rounding. Under `jit` the
batch is one array sharded over the mesh, so batch norm sees the global batch by itself; under `pmap` every device sees
its share, and gradients and the statistics of `genjax.nn.normalization.BatchNorm` are averaged over the axis `DATA`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

DATA = "data"
"""The name of the axis over which batches are split."""

Arrays = Mapping[str, Any]


class Plan(NamedTuple):
    """How to place and compile a run, as plain functions.

    axis: the mapped axis to give to `make_step` and `make_run` (None where there is none).
    put_state: a state on one device -> the state that the compiled run takes.  get_state: the way back.
    put_source: arrays [N, ...] that every device keeps whole.
    put_batches: leaves [K, R, B, ...] (batches, or indices into the source) split over devices along B.
    compile: `run(state, source, indices, key)` -> its compiled form, which donates the state.
    get_metrics: metrics of the compiled run -> NumPy arrays [K].
    """

    devices: tuple[jax.Device, ...]
    axis: str | None
    put_state: Callable[[Any], Any]
    get_state: Callable[[Any], Any]
    put_source: Callable[[Arrays], Any]
    put_batches: Callable[[Any], Any]
    compile: Callable[[Callable], Callable]
    get_metrics: Callable[[Mapping[str, jax.Array]], dict[str, np.ndarray]]


def bound_axis() -> str | None:
    """Return `DATA` inside a function mapped over it (`pmap`), None elsewhere (`jit`, where arrays are global)."""
    try:
        jax.lax.axis_index(DATA)
    except NameError:
        return None
    return DATA


def gather(x: jax.Array) -> jax.Array:
    """Return the rows of `x`, [B, ...], of all devices: what goes into `State.memory` must be equal on every one."""
    axis = bound_axis()
    return x if axis is None else jax.lax.all_gather(x, axis, tiled=True)


def mean(x: jax.Array) -> jax.Array:
    """Return the mean of `x` over devices; the identity outside a mapped function."""
    axis = bound_axis()
    return x if axis is None else jax.lax.pmean(x, axis)


def _mesh(devices: Sequence[jax.Device]) -> jax.sharding.Mesh:
    return jax.make_mesh((len(devices),), (DATA,), axis_types=(AxisType.Auto,), devices=tuple(devices))


def check_batch(batch_size: int, devices: Sequence[Any], accumulate: int = 1) -> None:
    """Raise ValueError unless `batch_size` divides evenly over devices and accumulation parts."""
    parts = len(devices) * accumulate
    if batch_size % parts:
        nearest = max(parts, round(batch_size / parts) * parts)
        raise ValueError(
            f"a batch of {batch_size} cannot be split evenly over {len(devices)} device(s) in {accumulate} part(s) "
            f"each; use a multiple of {parts}, such as {nearest}"
        )


def jit_plan(devices: Sequence[jax.Device]) -> Plan:
    """Compile with `jit`; the batch is sharded over a mesh of `devices`, the state is replicated."""
    mesh = _mesh(devices)
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, None, DATA))
    return Plan(
        devices=tuple(devices),
        axis=None,
        put_state=lambda state: jax.device_put(state, whole),
        get_state=lambda state: state,
        put_source=lambda arrays: jax.device_put(dict(arrays), whole),
        put_batches=lambda batches: jax.device_put(batches, split),
        compile=lambda run: jax.jit(run, donate_argnums=0, out_shardings=(whole, whole)),
        get_metrics=lambda metrics: {name: np.asarray(value) for name, value in metrics.items()},
    )


def pmap_plan(devices: Sequence[jax.Device]) -> Plan:
    """Compile with `pmap`; every device holds a copy of the state and its own share of the batch."""
    stacked = NamedSharding(_mesh(devices), PartitionSpec(DATA))
    count = len(devices)

    def stack(tree):
        copies = jax.tree.map(lambda x: jnp.broadcast_to(x, (count, *jnp.shape(x))), tree)
        return jax.device_put(copies, stacked)

    def put_batches(batches):
        def shares(x):
            x = np.asarray(x)
            x = x.reshape(*x.shape[:2], count, x.shape[2] // count, *x.shape[3:])
            return np.moveaxis(x, 2, 0)

        return jax.device_put(jax.tree.map(shares, batches), stacked)

    return Plan(
        devices=tuple(devices),
        axis=DATA,
        put_state=stack,
        get_state=lambda state: jax.tree.map(lambda x: x[0], state),
        put_source=lambda arrays: stack(dict(arrays)),
        put_batches=put_batches,
        compile=lambda run: jax.pmap(
            run, axis_name=DATA, in_axes=(0, 0, 0, None), donate_argnums=0, devices=list(devices)
        ),
        get_metrics=lambda metrics: {name: np.asarray(value[0]) for name, value in metrics.items()},
    )


PLANS = {"jit": jit_plan, "pmap": pmap_plan}
