"""Random keys as a function of (seed, step, name), so that a resumed run draws what an uninterrupted one draws."""

import zlib

import jax


def named(key: jax.Array, name: str) -> jax.Array:
    """Return the stream of `key` called `name`; adding or reordering other streams leaves it as it was."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def at_step(key: jax.Array, step: jax.Array | int, axis: str | None = None) -> jax.Array:
    """Return the key of one step; with a mapped `axis`, a different one on every device of it."""
    key = jax.random.fold_in(key, step)
    if axis is not None:
        key = jax.random.fold_in(key, jax.lax.axis_index(axis))
    return key
