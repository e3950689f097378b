"""Where a run's arrays live and how its step is compiled: `jit` over a mesh of devices, or `pmap`.

Both are data-parallel with the same mathematics: with SGD and one batch they agree to float rounding. Under `jit` the
batch is one array sharded over the mesh, so batch norm sees the global batch by itself; under `pmap` every device sees
its share, and gradients and the statistics of `genjax.nn.normalization.BatchNorm` are averaged over the axis `DATA`.
Devices may belong to several processes (`genjax.processes`); then each process puts its own columns of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from genjax.cpu import compiler_options

DATA = "data"
"""The name of the axis over which batches are split."""

Arrays = Mapping[str, Any]


class Plan(NamedTuple):
    """How to place and compile a run, as plain functions.

    axis: the mapped axis to give to `make_step` (None where there is none).
    put_state: a state on one device -> the state that the compiled run takes.  get_state: the way back.
    put_source: arrays [N, ...] that every device keeps whole.
    put_batches: leaves [K, R, B, ...] (batches, or indices into the source) split over devices along B; of several
        processes, each gives the B of its own `share`.
    share: size of a batch -> the slice of it that this process puts.
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
    share: Callable[[int], slice] = slice


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


def own_rows(x: jax.Array, count: int) -> jax.Array:
    """Return this device's `count` rows of what `gather` gave; the identity outside a mapped function."""
    axis = bound_axis()
    return x if axis is None else jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(axis) * count, count)


def rows(draw: Callable[[jax.Array, tuple[int, ...]], Any], key: jax.Array, shape: Sequence[int]) -> jax.Array:
    """Return `draw(key, shape)`, [B, ...]: random rows, one an example, that do not depend on how a batch is split.

    Inside a mapped function, where B is this device's share and `key` the same on every device, rows are drawn for the
    global batch and this device's are taken. Elsewhere it is `draw` itself.
    """
    axis, (count, *rest) = bound_axis(), shape
    if axis is None:
        return _spread(draw(key, tuple(shape)))
    return own_rows(draw(key, (count * jax.lax.axis_size(axis), *rest)), count)


def _spread(x: Any) -> Any:
    """Return rows split over the mesh that a program is compiled for, if any.

    Without it the compiler keeps what is drawn whole, and every device computes all images that are made of it.
    """
    devices = dict(jax.sharding.get_abstract_mesh().shape).get(DATA, 1)
    if devices == 1 or x.shape[0] % devices or jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(DATA))


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


def _put(x: Any, sharding: jax.sharding.Sharding) -> jax.Array:
    """Put what every process has whole onto `sharding`, of which it may own only a part."""
    if sharding.is_fully_addressable:
        return jax.device_put(x, sharding)
    host = np.asarray(x)
    return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)


# Below this many numbers a copy on every device costs less than putting the parts together would.
_WORTH_SPLITTING = 2**14


def _split_longest(mesh: jax.sharding.Mesh, x: Any) -> NamedSharding:
    """Return the sharding of `x` over its longest axis that the devices divide, or whole where there is none."""
    axes = [axis for axis, size in enumerate(x.shape) if size % mesh.size == 0]
    if not axes or x.size < _WORTH_SPLITTING:
        return NamedSharding(mesh, PartitionSpec())
    longest = max(axes, key=lambda axis: x.shape[axis])
    return NamedSharding(mesh, PartitionSpec(*[None] * longest, DATA))


def jit_plan(devices: Sequence[jax.Device], shard: bool = False) -> Plan:
    """Compile with `jit`; the batch is sharded over a mesh of `devices`, the state is replicated.

    shard: split large parameters, their averages and the optimizers' moments over the devices too, for networks that
    outgrow one; the mathematics stay the same.
    """
    mesh = _mesh(devices)
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, None, DATA))
    local = [index for index, device in enumerate(devices) if device.process_index == jax.process_index()]

    def layout(state):
        shardings = jax.tree.map(lambda _: whole, state)
        if not shard:
            return shardings
        large = {
            field: jax.tree.map(lambda x: _split_longest(mesh, x), getattr(state, field))
            for field in ("params", "opt_state", "ema")
        }
        return shardings.replace(**large)

    def compile(run):
        def laid_out(state, *inputs):
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):  # so that `rows` splits its draws
                state, metrics = run(state, *inputs)
            return jax.lax.with_sharding_constraint(state, layout(state)), metrics

        options = compiler_options(devices[0].platform)
        return jax.jit(laid_out, donate_argnums=0, out_shardings=(None, whole), compiler_options=options)

    def get_state(state):
        if whole.is_fully_addressable:
            return state
        state = jax.jit(lambda state: state, out_shardings=whole)(state) if shard else state
        return jax.tree.map(lambda x: x.addressable_data(0), state)

    return Plan(
        devices=tuple(devices),
        axis=None,
        put_state=lambda state: jax.tree.map(_put, state, layout(state)),
        get_state=get_state,
        put_source=lambda arrays: {name: _put(x, whole) for name, x in arrays.items()},
        put_batches=lambda batches: jax.tree.map(lambda x: jax.make_array_from_process_local_data(split, x), batches),
        compile=compile,
        get_metrics=lambda metrics: {name: np.asarray(value) for name, value in metrics.items()},
        share=lambda size: slice(local[0] * size // len(devices), (local[-1] + 1) * size // len(devices)),
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
