"""Random keys as a function of (seed, step, name), so that a resumed run draws what an uninterrupted one draws."""

import zlib

import jax


def named(key: jax.Array, name: str) -> jax.Array:
    """Return the stream of `key` called `name`; adding or reordering other streams leaves it as it was."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def at_step(key: jax.Array, step: jax.Array | int) -> jax.Array:
    """Return the key of one step, the same on every device: what is drawn per example goes by `parallel.rows`."""
    return jax.random.fold_in(key, step)
