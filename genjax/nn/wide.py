"""The type that outputs, statistics and losses are computed in."""

import jax
import jax.numpy as jnp


def wide(x: jax.Array) -> jax.Array:
    """Return x in at least float32: half precision is widened, float64 stays what it is."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
